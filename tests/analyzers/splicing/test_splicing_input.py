"""Whatever the bytes are, there is a finding or a clear error."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from analyzers.conftest import Judge, Prepare
from analyzers.splicing.drawn import encoded, scene
from PIL import Image

from assay.inference.analyzers.splicing import Splicing, SplicingSettings
from assay.sdk import Media, MediaUnreadableError, NotApplicableError


@pytest.mark.parametrize("kept", [0, 3, 700, 4000])
def test_cut_off_bytes_are_unreadable(prepare: Prepare, kept: int) -> None:
    with pytest.raises(MediaUnreadableError):
        prepare(encoded(scene(1, 120, 120), 90)[:kept])


@pytest.mark.parametrize("size", [(1, 1), (8, 300), (95, 96)])
def test_pictures_with_too_few_pixels_to_compare_do_not_apply(prepare: Prepare, size: tuple[int, int]) -> None:
    with pytest.raises(NotApplicableError, match="too small to compare its parts"):
        prepare(encoded(np.full((*size, 3), 90, np.uint8)))


@pytest.mark.parametrize("size", [(96, 96), (97, 131), (96, 2000), (1500, 100)])
@pytest.mark.parametrize("grain", [0.0, 5.0])
def test_every_shape_gets_a_finding(judge: Judge, size: tuple[int, int], grain: float) -> None:
    noise = np.random.default_rng(4).normal(120, grain, (*size, 1)).round().astype(np.uint8)
    finding = judge(encoded(np.repeat(noise, 3, axis=2)))
    assert finding.label == ("inconclusive" if grain == 0.0 else "no_findings")


@pytest.mark.parametrize("level", [0, 255])
def test_black_and_white_say_nothing(judge: Judge, level: int) -> None:
    assert judge(encoded(np.full((120, 120, 3), level, np.uint8))).label == "inconclusive"


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_other_colours_are_read(judge: Judge, mode: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.tif"
    Image.fromarray(scene(2, 200, 160)).convert(mode).save(path)
    assert judge(path.read_bytes()).details["width"] == 200


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    size = struct.pack(">IIBBBBB", 20_001, 10_000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(1000))))
    with pytest.raises(NotApplicableError, match="at most 200 megapixels"):
        Splicing(SplicingSettings()).prepare(Media(path, "image/png", path.stat().st_size, "0" * 64))
