"""The analyzer passes the suite that every analyzer passes, and tells what it is for."""

import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from assay_sharpness import Sharpness, SharpnessSettings
from assay_sharpness.analyzer import WEIGHTS
from PIL import Image, ImageFilter
from safetensors.numpy import load_file

from assay.sdk import Analyzer, packed_weights
from assay.sdk.conformance import AnalyzerConformance, Sample

TRAIN = Path(__file__).parents[1] / "train.py"


def saved(image: Image.Image, form: str) -> bytes:
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


def board(width: int, height: int, field: int) -> Image.Image:
    """A chessboard in colours, with sharp edges."""
    y, x = np.mgrid[0:height, 0:width] // field
    dark = ((x + y) % 2).astype(np.uint8)
    return Image.fromarray(np.stack([40 + 150 * dark, 60 + 90 * dark, 200 - 140 * dark], axis=2).astype(np.uint8))


SHARP = board(160, 120, 13)
BLURRED = SHARP.filter(ImageFilter.GaussianBlur(3))


class TestSharpness(AnalyzerConformance):
    def analyzer(self) -> Analyzer:
        return Sharpness(SharpnessSettings(max_pixels=100_000))

    def samples(self) -> Sequence[Sample]:
        return [
            Sample(saved(SHARP, "PNG"), "image/png", label="no_findings", title="a sharp board"),
            Sample(saved(BLURRED, "PNG"), "image/png", label="blurred", title="a blurred board"),
            Sample(saved(SHARP.convert("L"), "JPEG"), "image/jpeg", label="no_findings", title="a gray JPEG"),
            Sample(saved(board(96, 200, 9), "WEBP"), "image/webp", label="no_findings", title="another size"),
            Sample(saved(Image.new("RGB", (64, 64), "navy"), "PNG"), "image/png", label="inconclusive", title="navy"),
            Sample(saved(board(20, 200, 9), "PNG"), "image/png", "not_applicable", title="a narrow picture"),
            Sample(saved(board(400, 400, 9), "PNG"), "image/png", "not_applicable", title="a large picture"),
            Sample(saved(SHARP, "GIF"), "image/png", "unreadable", title="another format"),
        ]


@pytest.mark.parametrize("radius", [1.6, 2.5, 4])
def test_more_blur_is_a_higher_score(radius: float) -> None:
    analyzer = Sharpness(SharpnessSettings())
    analyzer.weights = packed_weights(analyzer.manifest)
    analyzer.load("cpu")
    pictures = [np.asarray(image.convert("L")) for image in (SHARP, SHARP.filter(ImageFilter.GaussianBlur(radius)))]
    sharp, blurred = analyzer.infer(pictures)
    assert sharp.score is not None
    assert blurred.score is not None
    assert sharp.score < 0.5 < blurred.score


def test_training_again_makes_the_same_weights(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(TRAIN), str(tmp_path)], capture_output=True, text=True, check=True)
    assert float(done.stdout.rsplit(" ", 1)[1]) > 0.98
    (path,) = packed_weights(Sharpness.manifest).values()
    published, again = load_file(path), load_file(tmp_path / WEIGHTS)
    assert published.keys() == again.keys()
    for name, values in published.items():
        assert np.allclose(values, again[name], rtol=1e-2, atol=1e-2), name
