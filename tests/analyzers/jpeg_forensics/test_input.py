"""Whatever is uploaded: formats, colours, damage, sizes, orientation."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from analyzers.conftest import Judge, Prepare
from analyzers.jpeg_forensics.drawn import PASTED, encoded, pasted, photo
from PIL import Image

from assay.inference.analyzers.jpeg_forensics import JpegForensics, JpegForensicsSettings
from assay.inference.pictures import upright, upright_box
from assay.sdk import Media, MediaUnreadableError, NotApplicableError


def converted(mode: str, image_format: str, **options: object) -> bytes:
    output = BytesIO()
    Image.fromarray(pasted()).convert(mode).save(output, image_format, **options)
    return output.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        converted("RGB", "JPEG", quality=90, progressive=True),
        converted("L", "JPEG", quality=90),
        converted("RGB", "JPEG", quality=90, subsampling=0),
        converted("L", "PNG"),
        converted("RGBA", "PNG"),
        converted("RGB", "TIFF"),
        converted("RGB", "WEBP", lossless=True),
        converted("RGB", "BMP"),
    ],
    ids=["progressive", "grayscale", "full colour", "gray png", "png with alpha", "tiff", "webp", "bmp"],
)
def test_the_paste_is_found_in_every_format(judge: Judge, content: bytes) -> None:
    assert judge(content).label == "manipulated"


@pytest.mark.parametrize(
    "content",
    [converted("CMYK", "JPEG", quality=90), converted("P", "PNG"), converted("1", "PNG"), converted("LA", "PNG")],
    ids=["cmyk", "palette", "bilevel", "gray with alpha"],
)
def test_other_colours_are_judged_without_an_error(judge: Judge, content: bytes) -> None:
    assert judge(content).label in ("manipulated", "no_findings", "inconclusive")


def test_sixteen_bits_that_hold_eight_come_back_exactly(prepare: Prepare, judge: Judge) -> None:
    gray = np.array(Image.fromarray(pasted()).convert("L"))
    output = BytesIO()
    Image.fromarray(gray.astype(np.uint16) * 257).save(output, "PNG")
    assert np.array_equal(prepare(output.getvalue()).luma, gray)
    assert judge(output.getvalue()).label == "manipulated"


@pytest.mark.parametrize("kept", [0, 1, 3, 100, 700, 4000])
@pytest.mark.parametrize("quality", [0, 90], ids=["png", "jpeg"])
def test_cut_off_bytes_are_unreadable(prepare: Prepare, quality: int, kept: int) -> None:
    with pytest.raises(MediaUnreadableError):
        prepare(encoded(photo(1), quality)[:kept])


def test_other_bytes_are_unreadable(prepare: Prepare) -> None:
    with pytest.raises(MediaUnreadableError):
        prepare(b"%PDF-1.7 and nothing that could be a picture" * 20)


@pytest.mark.parametrize("size", [(1, 1), (8, 300), (63, 64)])
def test_tiny_pictures_do_not_apply(prepare: Prepare, size: tuple[int, int]) -> None:
    with pytest.raises(NotApplicableError):
        prepare(encoded(np.full((*size, 3), 90, np.uint8), 90))


@pytest.mark.parametrize("level", [0, 90, 255])
@pytest.mark.parametrize("quality", [0, 90], ids=["png", "jpeg"])
def test_one_flat_colour_gives_no_finding(judge: Judge, quality: int, level: int) -> None:
    assert judge(encoded(np.full((64, 64, 3), level, np.uint8), quality)).label in ("no_findings", "inconclusive")


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize(("width", "height"), [(20_001, 10_000), (40_000, 40_000)])
def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path, width: int, height: int) -> None:
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(1000))))
    analyzer = JpegForensics(JpegForensicsSettings())
    with pytest.raises(NotApplicableError, match="at most 200 megapixels"):
        analyzer.prepare(Media(path, "image/png", path.stat().st_size, "0" * 64))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_are_told_in_the_upright_frame(judge: Judge, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    finding = judge(encoded(pasted(), 90, exif=exif))
    where = finding.evidence[0].where
    assert where is not None
    x, y, width, height = where["box"]
    mask = np.zeros((256, 320), np.uint8)
    mask[PASTED] = 1
    turned = upright(mask, orientation)
    assert turned.shape == (finding.details["height"], finding.details["width"])
    assert turned[y : y + height, x : x + width].sum() > 0.9 * mask.sum()
    assert turned[y : y + height, x : x + width].mean() > 0.6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_turn_with_the_picture(orientation: int) -> None:
    mask = np.zeros((5, 9), np.uint8)
    mask[1:3, 2:6] = 1
    x, y, width, height = upright_box((2, 1, 4, 2), (9, 5), orientation)
    turned = upright(mask, orientation)
    assert turned[y : y + height, x : x + width].all()
    assert turned.sum() == width * height
