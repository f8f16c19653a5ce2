"""The thumbnail in Exif against the picture: what is an edit, and what is only a camera's way."""

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from analyzers.provenance.exif_blocks import exif, jpeg, scene, small
from PIL import Image

from assay.inference.analyzers.provenance import Provenance, ProvenanceSettings
from assay.sdk import Finding, Media

Examine = Callable[..., Finding]
SCENE, OTHER = scene(1), scene(2)
CAMERA = {0x010F: "Canon", 0x0110: "Canon EOS R6"}


def with_thumbnail(pixels: np.ndarray, thumbnail: bytes) -> bytes:
    return jpeg(pixels, exif=exif(CAMERA, thumbnail=thumbnail))


def outcome(finding: Finding) -> str:
    return str(finding.details["consistency"]["thumbnail"]["outcome"])


def pasted() -> np.ndarray:
    pixels = SCENE.copy()
    pixels[80:140, 220:300] = 255 - SCENE[80:140, 220:300]
    return pixels


@pytest.mark.parametrize(
    "thumbnail",
    [
        small(SCENE),
        small(SCENE, bars=False),
        small(SCENE, (512, 341)),
        small((SCENE * 0.7 + 40).astype(np.uint8)),
        small(SCENE[:, 26:-27]),
    ],
    ids=["bars", "squeezed", "large", "other light", "sides cut off"],
)
def test_a_cameras_own_thumbnail_is_no_finding(thumbnail: bytes, examine: Examine) -> None:
    finding = examine(with_thumbnail(SCENE, thumbnail))
    assert (finding.label, outcome(finding)) == ("no_findings", "same")


def test_the_thumbnail_of_another_picture_is_manipulated(examine: Examine) -> None:
    finding = examine(with_thumbnail(SCENE, small(OTHER)))
    assert (finding.label, finding.claim, outcome(finding)) == ("manipulated", "manipulated", "other")
    assert finding.score is not None and 0.6 < finding.score < 0.93
    assert "shows another picture" in finding.evidence[0].text
    assert finding.evidence[0].where == {"field": "exif:thumbnail"}


def test_another_part_is_doubtful_and_shown_where(examine: Examine) -> None:
    finding = examine(with_thumbnail(pasted(), small(SCENE)))
    assert (finding.label, finding.score, outcome(finding)) == ("inconclusive", None, "part")
    assert 0.5 < finding.details["raw_score"] < 0.9
    x, y, width, height = finding.details["consistency"]["thumbnail"]["box"]
    assert x <= 260 / 480 <= x + width
    assert y <= 110 / 320 <= y + height
    assert width * height < 0.4


@pytest.mark.parametrize(
    "turn", [Image.Transpose.ROTATE_90, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180]
)
def test_a_turned_picture_is_told_and_not_accused(turn: Image.Transpose, examine: Examine) -> None:
    turned = np.asarray(Image.fromarray(SCENE).transpose(turn))
    finding = examine(with_thumbnail(turned, small(SCENE)))
    assert (finding.label, outcome(finding)) == ("no_findings", "turned")
    assert any("turned or mirrored" in evidence.text for evidence in finding.evidence)


def test_a_cut_out_is_told_and_not_accused(examine: Examine) -> None:
    finding = examine(with_thumbnail(SCENE[40:232, 96:384], small(SCENE)))
    assert (finding.label, outcome(finding)) == ("no_findings", "cropped")
    assert any("shows more than the picture" in evidence.text for evidence in finding.evidence)


@pytest.mark.parametrize(
    "thumbnail",
    [b"\xff\xd8\xff" + b"\x00" * 400, small(SCENE)[:300], jpeg(np.full((120, 160, 3), 90, np.uint8)), b"none"],
)
def test_thumbnails_that_show_nothing_say_nothing(thumbnail: bytes, examine: Examine) -> None:
    assert examine(with_thumbnail(SCENE, thumbnail)).label == "no_findings"


def test_a_thumbnail_is_compared_in_webp_and_png_too(examine: Examine) -> None:
    for kind in ("WEBP", "PNG"):
        encoded = BytesIO()
        Image.fromarray(SCENE).save(encoded, kind, exif=exif(CAMERA, thumbnail=small(OTHER)))
        assert outcome(examine(encoded.getvalue(), f"image/{kind.lower()}")) == "other"


def test_both_can_be_looked_at(media: Callable[[bytes], Media]) -> None:
    analyzer = Provenance(ProvenanceSettings())
    prepared = analyzer.prepare(media(with_thumbnail(pasted(), small(SCENE))))
    (rendering,) = analyzer.explain(prepared, analyzer.infer([prepared])[0])
    assert rendering.name == "thumbnail.png"
    with Image.open(BytesIO(rendering.data)) as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    yellow = (np.abs(pixels - [255, 230, 0]).sum(axis=2) < 40).nonzero()
    # The frame is in the right one, the picture.
    assert yellow[1].size and yellow[1].min() > pixels.shape[1] // 2
