"""Every analyzer that is installed here passes the suite; so do those that the engine's own tests run."""

import io
from collections.abc import Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import pytest
from analyzers.face_manipulation.made import made_analyzer, png, with_face
from PIL import Image

from assay.inference.analyzers.jpeg_forensics import JpegForensics
from assay.inference.analyzers.jpeg_forensics.analyzer import JpegForensicsSettings
from assay.inference.analyzers.provenance import Provenance, ProvenanceSettings
from assay.inference.analyzers.splicing import Splicing, SplicingSettings
from assay.inference.analyzers.synthetic_image import SyntheticImage, SyntheticImageSettings
from assay.inference.plugins import GROUP
from assay.sdk import Analyzer, NoSettings
from assay.sdk.conformance import AnalyzerConformance, Sample

REPOSITORY = Path(__file__).parents[2]
SAMPLES = REPOSITORY / "examples" / "samples"
TEST_ANALYZERS = REPOSITORY / "tests" / "inference" / "packages"


def drawn(seed: int, width: int, height: int) -> Image.Image:
    """Smooth light with some grain, as a camera would see it."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    light = 128 + 60 * np.sin(x / 37 + seed) + 50 * np.cos(y / 29)
    colours = light[..., None] + random.normal(0, 6, (height, width, 3)) + np.array([10, 0, -12])
    return Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def spliced() -> bytes:
    """Saved twice as a JPEG, but for a part that was saved once."""
    first = Image.open(io.BytesIO(saved(drawn(1, 256, 192), "JPEG", quality=60)))
    first.paste(drawn(2, 96, 80), (107, 59))
    return saved(first, "JPEG", quality=95)


class TestJpegForensics(AnalyzerConformance):
    def analyzer(self) -> Analyzer[Any]:
        return JpegForensics(JpegForensicsSettings())

    def samples(self) -> Sequence[Sample]:
        plain = saved(drawn(3, 256, 192), "JPEG", quality=85)
        return [
            Sample(plain, "image/jpeg", title="a plain picture"),
            Sample(spliced(), "image/jpeg", title="a splice"),
            Sample(saved(drawn(4, 200, 136), "PNG"), "image/png", title="a picture of another size"),
            Sample(saved(drawn(5, 32, 32), "PNG"), "image/png", "not_applicable", title="a tiny picture"),
        ]


class TestProvenance(AnalyzerConformance):
    def analyzer(self) -> Analyzer[Any]:
        return Provenance(ProvenanceSettings())

    def samples(self) -> Sequence[Sample]:
        return [
            Sample((SAMPLES / "ai-signed.jpg").read_bytes(), "image/jpeg", label="synthetic", title="ai-signed.jpg"),
            Sample((SAMPLES / "landscape.jpg").read_bytes(), "image/jpeg", label="no_findings", title="landscape.jpg"),
            Sample(saved(drawn(6, 64, 64), "PNG"), "image/png", title="a picture without metadata"),
            Sample(b"", "image/webp", "unreadable", title="an empty file"),
        ]


class TestSplicing(AnalyzerConformance):
    def analyzer(self) -> Analyzer[Any]:
        return Splicing(SplicingSettings())

    def samples(self) -> Sequence[Sample]:
        copied = drawn(7, 256, 192)
        copied.paste(copied.crop((20, 30, 100, 110)), (150, 90))
        return [
            Sample(saved(drawn(3, 256, 192), "JPEG", quality=85), "image/jpeg", title="a plain picture"),
            Sample(saved(copied, "PNG"), "image/png", label="manipulated", title="a part of it twice"),
            Sample(saved(Image.new("RGB", (200, 136)), "PNG"), "image/png", label="inconclusive", title="nothing"),
            Sample(saved(drawn(5, 64, 64), "PNG"), "image/png", "not_applicable", title="a small picture"),
        ]


@cache
def made_folder() -> "TemporaryDirectory[str]":
    """Where made weights lie until the end."""
    return TemporaryDirectory()


class TestFaceManipulation(AnalyzerConformance):
    """With made weights: those of the manifest are other people's, and not here."""

    def analyzer(self) -> Analyzer[Any]:
        return made_analyzer(Path(made_folder().name))

    def samples(self) -> Sequence[Sample]:
        plain = np.asarray(drawn(3, 320, 240).convert("L").convert("RGB"))
        one, two = with_face(plain, 90, 70, 100), with_face(plain, 180, 40, 130, seed=1)
        return [
            Sample(png(one), "image/png", label="inconclusive", title="a face"),
            Sample(saved(Image.fromarray(two), "JPEG", quality=90), "image/jpeg", title="another face"),
            Sample(png(plain), "image/png", "not_applicable", title="no face"),
            Sample(saved(drawn(5, 48, 48), "PNG"), "image/png", "not_applicable", title="a tiny picture"),
        ]


class TestSyntheticImage(AnalyzerConformance):
    def analyzer(self) -> Analyzer[Any]:
        return SyntheticImage(SyntheticImageSettings())

    def samples(self) -> Sequence[Sample]:
        return [
            Sample(saved(drawn(3, 256, 192), "JPEG", quality=85), "image/jpeg", title="a plain picture"),
            Sample(saved(drawn(4, 400, 300), "PNG"), "image/png", title="a picture of another size"),
            Sample(saved(Image.new("RGB", (200, 136)), "PNG"), "image/png", label="inconclusive", title="nothing"),
            Sample(saved(drawn(5, 100, 300), "PNG"), "image/png", "not_applicable", title="a narrow picture"),
        ]


class TestBrightness(AnalyzerConformance):
    @pytest.fixture(autouse=True)
    def installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(str(TEST_ANALYZERS))

    def analyzer(self) -> Analyzer[Any]:
        from assay_test_analyzers.brightness import Brightness, BrightnessSettings

        return Brightness(BrightnessSettings())

    def samples(self) -> Sequence[Sample]:
        def grey(value: int, width: int) -> bytes:
            return f"P5\n{width} 8\n255\n".encode() + bytes([value]) * (width * 8)

        kind = "image/x-portable-graymap"
        return [
            Sample(grey(230, 16), kind, label="bright"),
            Sample(grey(10, 24), kind, label="no_findings"),
            Sample(grey(10, 4), kind, "not_applicable"),
        ]


@cache
def printed() -> Any:
    """The class that the page for authors prints."""
    page = (REPOSITORY / "docs" / "analyzers.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec(page.split("```python\n", 1)[1].split("```", 1)[0], names)  # noqa: S102 - our own page
    return names["Shouting"]


class TestTheExampleOfTheDocuments(AnalyzerConformance):
    any_bytes: ClassVar[bool] = True

    def analyzer(self) -> Analyzer[Any]:
        return printed()(NoSettings())

    def samples(self) -> Sequence[Sample]:
        return [
            Sample(b"HELLO dear WORLD", "text/plain", label="shouting"),
            Sample(b"a quiet text", "text/plain", label="no_findings"),
            Sample(b"1 2 3", "text/plain", "not_applicable"),
        ]


def test_no_installed_analyzer_is_left_out() -> None:
    """A new one gets a class here."""
    classes = (TestFaceManipulation, TestJpegForensics, TestProvenance, TestSplicing, TestSyntheticImage)
    tested = {type(each().analyzer()) for each in classes}
    assert {point.load() for point in entry_points(group=GROUP) if point.value.startswith("assay.")} == tested
