"""Invisible marks: read where they are, not where they are not, and told with their odds."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from analyzers.provenance.exif_blocks import jpeg
from analyzers.provenance.marking import marked
from analyzers.provenance.networks import decoder
from PIL import Image

from assay.inference.analyzers.provenance import Provenance, ProvenanceSettings, pixels
from assay.inference.analyzers.provenance.analyzer import RIVAGAN
from assay.inference.analyzers.provenance.watermarks import LIMIT, chance_of
from assay.inference.analyzers.provenance.watermarks.dwt_dct import Votes
from assay.inference.analyzers.provenance.watermarks.messages import GENERATORS
from assay.sdk import Finding, Media

Pixels = np.ndarray
Examine = Callable[..., Finding]
BY_NAME = {message.name: message for message in GENERATORS}
OWN = "1100" * 8


def photo(seed: int = 0, side: int = 512) -> Pixels:
    """Soft colours with grain, uint8 (side, side, 3)."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(20, 235, (8, 8, 3), dtype=np.uint8))
    fine = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)).astype(int)
    return np.clip(fine + random.normal(0, 6, (side, side, 1)), 0, 255).astype(np.uint8)


def png(pixels: Pixels) -> bytes:
    encoded = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def run(
    media: Callable[..., Media], content: bytes, kind: str, settings: ProvenanceSettings, weights: Path | None = None
) -> Finding:
    analyzer = Provenance(settings)
    if weights is not None:
        analyzer.weights = {RIVAGAN: weights}
    analyzer.load("cpu")
    return analyzer.infer([analyzer.prepare(media(content, kind))])[0]


@pytest.mark.parametrize("name", list(BY_NAME))
def test_marks_of_generators_are_synthetic(name: str, examine: Examine) -> None:
    message = BY_NAME[name]
    finding = examine(png(marked(photo(), message.bits)), "image/png")
    (mark,) = finding.details["watermarks"]
    assert (finding.label, mark["name"], mark["scheme"], mark["generator"]) == ("synthetic", name, "DWT-DCT", True)
    assert mark["matching_bits"] >= 0.9 * mark["bits"]
    assert mark["chance"] == pytest.approx(
        chance_of(mark["matching_bits"], mark["bits"], 4 * len(GENERATORS)), rel=0.01
    )
    assert (
        f"invisible mark that {name} puts into what it makes: {mark['matching_bits']} of {mark['bits']} bits agree"
        in (finding.evidence[0].text)
    )


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        (lambda pixels: jpeg(pixels, 95, subsampling=0), "image/jpeg"),
        (lambda pixels: jpeg(pixels, 95), "image/jpeg"),
        (lambda pixels: png(np.clip(pixels * 1.05, 0, 255).astype(np.uint8)), "image/png"),
        (lambda pixels: png(pixels[:-72, :]), "image/png"),
        (lambda pixels: png(pixels[..., ::-1]), "image/png"),
    ],
    ids=["jpeg 95 with all chroma", "jpeg 95", "brighter", "cut below", "embedded in the wrong order of colours"],
)
def test_a_mark_survives(changed: Callable[[Pixels], bytes], kind: str, examine: Examine) -> None:
    finding = examine(changed(marked(photo(), BY_NAME["Stable Diffusion XL"].bits)), kind)
    assert [mark["name"] for mark in finding.details["watermarks"]] == ["Stable Diffusion XL"]


@pytest.mark.parametrize(
    "change", [lambda p: p[:, 8:], lambda p: p[::2, ::2]], ids=["cut at the left", "half the size"]
)
def test_a_mark_that_is_gone_is_not_guessed(change: Callable[[Pixels], Pixels], examine: Examine) -> None:
    whole = marked(photo(side=640), BY_NAME["FLUX"].bits)
    assert examine(png(change(whole)), "image/png").label == "no_findings"


@pytest.mark.parametrize("seed", range(1, 5))
def test_pictures_without_a_mark_have_none(seed: int, examine: Examine) -> None:
    assert examine(png(photo(seed, 320)), "image/png").details["watermarks"] == []


@pytest.mark.parametrize(
    "plain", [np.zeros((300, 300, 3), np.uint8), np.full((300, 300, 3), 128, np.uint8), photo(1, 100)]
)
def test_plain_and_small_pictures_have_none(plain: Pixels, examine: Examine) -> None:
    assert examine(png(plain), "image/png").details["watermarks"] == []


def test_gray_pictures_are_not_read(examine: Examine) -> None:
    assert examine(png(photo()[..., 0]), "image/png").label == "no_findings"


def test_a_large_picture_is_read_in_parts(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    add = Votes.add
    monkeypatch.setattr(pixels, "VOTING_PIXELS", 200_000)
    monkeypatch.setattr(Votes, "add", lambda self, top, strip: (read.append(top), add(self, top, strip)))
    finding = examine(png(marked(photo(side=768), BY_NAME["Stable Diffusion XL"].bits)), "image/png")
    assert [mark["name"] for mark in finding.details["watermarks"]] == ["Stable Diffusion XL"]
    assert read == [0, 512]


def test_chance_is_the_tail_of_tossed_coins() -> None:
    assert chance_of(48, 48, 1) == 2.0**-48
    assert chance_of(31, 32, 2) == pytest.approx(2 * 33 / 2**32)
    assert chance_of(0, 32, 1) == 1.0
    assert chance_of(24, 48, 100) == 1.0
    assert chance_of(28, 32, 1) > LIMIT > chance_of(32, 32, 20)


# Marks of one's own


def test_a_configured_mark_is_told_and_says_nothing_of_ai(media: Callable[..., Media]) -> None:
    settings = ProvenanceSettings(watermarks="newsroom=dwt-dct:5af0c3911b7e")
    bits = f"{0x5AF0C3911B7E:048b}"
    finding = run(media, png(marked(photo(), bits)), "image/png", settings)
    assert finding.label == "no_findings"
    assert any("the mark “newsroom” (DWT-DCT): 48 of 48 bits agree" in evidence.text for evidence in finding.evidence)
    assert run(media, png(photo()), "image/png", settings).details["watermarks"] == []


def test_rivagan_reads_the_configured_mark(media: Callable[..., Media], tmp_path: Path) -> None:
    (tmp_path / RIVAGAN).write_bytes(decoder(OWN))
    settings = ProvenanceSettings(watermarks=f"desk=rivagan:{int(OWN, 2):08x},other=rivagan:0badcafe")
    blue, yellow = np.zeros((300, 300, 3), np.uint8), np.full((300, 300, 3), 255, np.uint8)
    blue[..., 2], yellow[..., 2] = 255, 0
    found = run(media, png(blue), "image/png", settings, tmp_path / RIVAGAN)
    (mark,) = found.details["watermarks"]
    assert (mark["name"], mark["scheme"], mark["matching_bits"]) == ("desk", "RivaGAN", 32)
    assert found.label == "no_findings"
    assert any("the mark “desk” (RivaGAN): 32 of 32 bits agree" in evidence.text for evidence in found.evidence)
    gray = np.full((300, 300, 3), 20, np.uint8)
    assert run(media, png(gray), "image/png", settings, tmp_path / RIVAGAN).details["watermarks"] == []


def test_without_its_network_rivagan_is_said_to_be_unread(media: Callable[..., Media]) -> None:
    settings = ProvenanceSettings(watermarks="desk=rivagan:31cafe77")
    finding = run(media, png(photo(0, 300)), "image/png", settings)
    assert any("`assay models pull provenance`" in evidence.text for evidence in finding.evidence)
    # Whoever asked for none of its marks hears nothing of it.
    assert not any(
        "RivaGAN" in e.text for e in run(media, png(photo(0, 300)), "image/png", ProvenanceSettings()).evidence
    )


def test_a_file_that_is_no_network_keeps_the_analyzer_out(tmp_path: Path) -> None:
    (tmp_path / RIVAGAN).write_bytes(b"not a network")
    analyzer = Provenance(ProvenanceSettings(watermarks="desk=rivagan:31cafe77"))
    analyzer.weights = {RIVAGAN: tmp_path / RIVAGAN}
    with pytest.raises(OSError, match="is not RivaGAN's decoder"):
        analyzer.load("cpu")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("desk", "is no mark"),
        ("desk=lsb:31cafe77", "is no mark"),
        ("desk=rivagan:31cafe7", "28 bits"),
        ("desk=dwt-dct:31ca", "16 bits"),
        (f"desk=dwt-dct:{'ab' * 33}", "264 bits"),
    ],
)
def test_wrong_settings_stop_the_start(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ProvenanceSettings(watermarks=text)


def test_its_weights_are_optional() -> None:
    assert [(weights.name, weights.required) for weights in Provenance.manifest.weights] == [(RIVAGAN, False)]
