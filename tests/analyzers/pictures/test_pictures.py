"""Any picture: the same pixels as other readers give, upright, and errors that say what to do."""

import hashlib
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from analyzers.pictures.large import large_jpeg, limited
from PIL import Image, ImageOps

from assay.inference.pictures import MAX_PIXELS, Picture, PictureTooLargeError, open_picture
from assay.sdk import Media, MediaUnreadableError

Opened = Callable[..., Picture]


def colours(height: int = 37, width: int = 53) -> np.ndarray:
    """Smooth colours, each corner another."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 4, y * 6, 200 - x * 2 - y], axis=-1).astype(np.uint8)


def saved(image: Image.Image | np.ndarray, image_format: str, **options: object) -> bytes:
    output = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(output, image_format, **options)
    return output.getvalue()


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    def opened(content: bytes, **options: object) -> Picture:
        path = tmp_path / "content"
        path.write_bytes(content)
        return open_picture(Media(path, "image/png", len(content), hashlib.sha256(content).hexdigest()), **options)

    return opened


def oriented(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_pictures_are_turned_as_other_readers_turn_them(opened: Opened, image_format: str, orientation: int) -> None:
    content = saved(colours(), image_format, exif=oriented(orientation))
    picture = opened(content)
    with Image.open(BytesIO(content)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert np.array_equal(picture.rgb(), expected)
    assert picture.size == (expected.shape[1], expected.shape[0])
    (part,) = picture.parts([(3, 5, 20, 11)])
    assert np.array_equal(part, expected[5:16, 3:23])
    assert picture.luma().shape == expected.shape[:2]
    assert picture.reduced(20).shape == ((20, 14, 3) if expected.shape[0] > expected.shape[1] else (14, 20, 3))


def test_the_luminance_of_a_jpeg_is_what_it_stores(opened: Opened) -> None:
    content = saved(colours(), "JPEG", quality=90)
    with Image.open(BytesIO(content)) as image:
        image.draft("YCbCr", image.size)
        assert image.mode == "YCbCr"
        stored = np.asarray(image)[..., 0]
    assert np.array_equal(opened(content).luma(), stored)


def test_strips_are_the_stored_picture(opened: Opened) -> None:
    picture = opened(saved(colours(), "PNG", exif=oriented(6)))
    strips = list(picture.strips(10))
    assert [top for top, _ in strips] == [0, 10, 20, 30]
    assert np.array_equal(np.concatenate([strip for _, strip in strips]), colours())
    assert np.array_equal(picture.rgb(as_stored=True), colours())


def test_transparent_pixels_are_laid_over_white(opened: Opened) -> None:
    alpha = np.full((37, 53), 255, np.uint8)
    alpha[:10], alpha[10:20] = 0, 128
    layered = Image.fromarray(np.dstack([colours(), alpha]))
    pixels = opened(saved(layered, "PNG")).rgb()
    assert (pixels[:10] == 255).all()
    assert np.abs(pixels[10:20].astype(int) - (colours()[10:20].astype(int) + 255) / 2).max() <= 1.5
    assert np.array_equal(pixels[20:], colours()[20:])
    palette = Image.fromarray(colours()).quantize(16)
    seen_through = saved(palette, "PNG", transparency=int(np.asarray(palette)[0, 0]))
    assert (opened(seen_through).rgb()[0, 0] == 255).all()
    assert not (opened(saved(palette, "PNG")).rgb()[0, 0] == 255).all()


@pytest.mark.parametrize(
    ("mode", "image_format"),
    [
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("P", "PNG"),
        ("1", "PNG"),
        ("LA", "PNG"),
        ("CMYK", "TIFF"),
        ("YCbCr", "TIFF"),
        ("LAB", "TIFF"),
    ],
)
def test_every_kind_of_colour_becomes_rgb(opened: Opened, mode: str, image_format: str) -> None:
    image = Image.fromarray(colours()).convert(mode)
    content = saved(image, image_format)
    with Image.open(BytesIO(content)) as again:
        expected = np.asarray(again.convert("RGB"))
    assert np.array_equal(opened(content).rgb(), expected)


@pytest.mark.parametrize(
    ("samples", "image_format"),
    [
        (colours()[..., 0].astype(np.uint16) * 257, "PNG"),
        (colours()[..., 0].astype(np.uint16) * 257, "TIFF"),
        (colours()[..., 0].astype(np.float32), "TIFF"),
    ],
)
def test_deep_samples_that_hold_eight_bits_come_back_exactly(
    opened: Opened, samples: np.ndarray, image_format: str
) -> None:
    picture = opened(saved(samples, image_format))
    assert np.array_equal(picture.luma(), colours()[..., 0])
    assert np.array_equal(picture.rgb()[..., 2], colours()[..., 0])


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "GIF"])
def test_of_an_animation_the_first_frame_counts(opened: Opened, image_format: str) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue", "green")]
    options = {"lossless": True} if image_format == "WEBP" else {}
    content = saved(frames[0], image_format, save_all=True, append_images=frames[1:], **options)
    assert (opened(content, formats=(image_format,)).rgb() == (255, 0, 0)).all()


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.6, 0.95])
def test_what_is_cut_off_is_unreadable(opened: Opened, image_format: str, share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 80, 3), np.uint8)
    content = saved(noise, image_format)
    with pytest.raises(MediaUnreadableError):
        opened(content[: int(share * len(content))]).rgb()


def test_only_the_formats_asked_for_are_opened(opened: Opened) -> None:
    content = saved(colours(), "PPM")
    with pytest.raises(MediaUnreadableError, match="known format"):
        opened(content)
    with pytest.raises(MediaUnreadableError):
        opened(saved(colours(), "PNG"), formats=("JPEG",))


def test_damaged_exif_does_not_hide_the_pixels(opened: Opened) -> None:
    content = saved(colours(), "PNG", exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff nonsense")
    assert np.array_equal(opened(content).rgb(), colours())


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def empty_png(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(1000)))


@pytest.mark.parametrize("size", [(20_001, 10_000), (40_000, 40_000), (2_000_000_000, 2_000_000_000)])
def test_too_many_pixels_are_refused_before_they_are_decoded(opened: Opened, size: tuple[int, int]) -> None:
    with pytest.raises(PictureTooLargeError, match=r"at most 200 megapixels are examined\. Upload the part"):
        opened(empty_png(*size))


def test_the_limit_is_exact_and_can_be_set(opened: Opened) -> None:
    assert opened(empty_png(20_000, 10_000)).size == (20_000, 10_000)
    assert opened(saved(colours(), "PNG"), max_pixels=37 * 53).size == (53, 37)
    with pytest.raises(PictureTooLargeError):
        opened(saved(colours(), "PNG"), max_pixels=37 * 53 - 1)


def test_a_webp_of_more_than_its_decoder_has_memory_for_is_refused_with_what_to_do(opened: Opened) -> None:
    data = bytearray(saved(Image.new("RGB", (16, 16)), "WEBP", lossless=True))
    header = data.index(b"VP8L") + 9
    data[header : header + 4] = ((16383 - 1) | (7000 - 1) << 14).to_bytes(4, "little")
    with pytest.raises(PictureTooLargeError, match=r"100 megapixels of a WEBP are examined\. Convert it to PNG"):
        opened(bytes(data))


WHOLE = "pixels = open_picture(media).rgb(); assert pixels.shape == {shape}; assert pixels[-1].std() > 0"
SETUP = "from assay.inference.pictures import open_picture"


def large(path: Path, width: int, height: int) -> Path:
    strip = np.random.default_rng(2).integers(60, 200, (128, width // 8, 3), np.uint8).repeat(8, axis=1)
    path.write_bytes(large_jpeg(strip, height, quality=80, exif=oriented(6)))
    return path


def test_a_large_jpeg_is_decoded_within_its_share_of_a_childs_memory(tmp_path: Path) -> None:
    path = large(tmp_path / "large.jpg", 5000, 4000)
    limited(path, 2048 // 10, WHOLE.format(shape=(5000, 4000, 3)), SETUP)


def test_a_full_memory_is_not_taken_for_damage(tmp_path: Path) -> None:
    path = tmp_path / "progressive.jpg"
    path.write_bytes(saved(np.tile(colours(200, 200), (10, 15, 1)), "JPEG", progressive=True, subsampling=0))
    told = """
try:
    open_picture(media).rgb()
except MemoryError:
    print("full")
"""
    assert "full" in limited(path, 32, told, SETUP)
    assert "full" not in limited(path, 128, told, SETUP)


@pytest.mark.proof
def test_200_megapixels_are_decoded_within_a_childs_memory(tmp_path: Path) -> None:
    path = large(tmp_path / "large.jpg", 20_000, 10_000)
    assert MAX_PIXELS == 20_000 * 10_000
    limited(path, 2048, WHOLE.format(shape=(20_000, 10_000, 3)), SETUP)
