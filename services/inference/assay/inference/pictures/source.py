"""Pictures from untrusted bytes: opened by their header, decoded when asked, within bounded memory."""

import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from assay.inference.pictures.colours import deep_scale, flat
from assay.inference.pictures.drawing import LONGEST_SIDE, shrunk
from assay.inference.pictures.orientation import Box, stored_box, stored_view, turned_size, upright
from assay.sdk import Media, MediaUnreadableError, NotApplicableError

MAX_PIXELS = 200_000_000
"""The most that is decoded by default. A JPEG of this size takes 1.4 GB while `rgb` runs, 0.4 GB for `luma`."""

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
"""What is opened by default, in the decoder's names; it also knows GIF and AVIF."""

# WebP's decoder keeps three copies of four bytes a pixel beside the picture itself.
_MAX_PIXELS_OF = {"WEBP": 100_000_000}
_MOST_BYTES = 10  # a pixel takes: six for the coefficients of a progressive JPEG, four for the decoded picture
_STRIP = 256  # rows converted at a time
_DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    NotImplementedError,
    struct.error,
    zlib.error,
)

# Pillow refuses twice this many; the exact limit is checked here, before anything is decoded.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

Pixels = NDArray[np.uint8]


class PictureTooLargeError(NotApplicableError):
    """More pixels than are examined."""

    code = "too_many_pixels"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture whose header was read. Every method decodes the file anew, so that nothing large is kept.

    stored_size  (width, height) as it lies in the file
    orientation  EXIF orientation 1..8 that turns the stored frame upright; 1 where there is none or a senseless one
    format       the decoder's name: JPEG, MPO (a JPEG with more pictures behind), PNG, WEBP, TIFF, BMP …
    mode         the decoder's name of the stored colours: L, RGB, RGBA, P, CMYK, I;16 …
    software     the EXIF tag Software, if there is one

    Of animations and files with several pictures it is the first. Colour profiles are not applied.
    All methods raise MediaUnreadableError for damaged or truncated bytes.
    """

    path: Path
    stored_size: tuple[int, int]
    orientation: int
    format: str
    mode: str
    software: str | None
    _formats: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) as people see it."""
        return turned_size(self.stored_size, self.orientation)

    @property
    def is_jpeg(self) -> bool:
        """Whether the picture itself is a JPEG, whatever else the file holds."""
        return self.format in ("JPEG", "MPO")

    def rgb(self, *, as_stored: bool = False) -> Pixels:
        """All pixels, uint8 (H, W, 3), upright unless `as_stored`. Transparent ones are laid over white."""
        return self._whole("RGB", as_stored)

    def luma(self, *, as_stored: bool = False) -> Pixels:
        """Luminance of ITU-R BT.601, uint8 (H, W), upright unless `as_stored`.

        Of a JPEG it is the stored Y itself, without a conversion of colours: transforming it again gives the stored
        coefficients, except where pixels were clipped. It takes a third of the time and memory of `rgb`.
        """
        return self._whole("L", as_stored)

    def parts(self, boxes: Sequence[Box]) -> list[Pixels]:
        """Some rectangles of the upright picture, each uint8 (height, width, 3), for one decoding.

        boxes: inside the picture. Little memory is taken beyond the decoder's own (0.8 GB for 200 megapixels).
        """
        with self._decoded("RGB") as image:
            scale = deep_scale(image, _STRIP)
            stored = [stored_box(box, self.stored_size, self.orientation) for box in boxes]
            return [
                upright(flat(image.crop((x, y, x + wide, y + tall)), "RGB", scale), self.orientation)
                for x, y, wide, tall in stored
            ]

    def reduced(self, longest: int = LONGEST_SIDE) -> Pixels:
        """The whole picture made smaller, uint8 (H, W, 3), upright, its longer side at most `longest` pixels.

        For looking and for networks that find things, not for traces: a JPEG is decoded at a fraction of its size,
        which is quick, and pixels are averages.
        """
        width, height = self.stored_size
        share = min(1.0, longest / max(width, height))
        size = max(1, round(width * share)), max(1, round(height * share))
        with self._decoded("RGB", size) as image:
            scale = deep_scale(image, _STRIP)
            if image.mode in ("L", "RGB") and not image.has_transparency_data:
                small = flat(image.resize(size, Image.Resampling.BOX), "RGB", scale)
            else:
                small = shrunk(self._copied(image, "RGB", scale), longest)
            return upright(small, self.orientation)

    def strips(self, rows: int = _STRIP) -> Iterator[tuple[int, Pixels]]:
        """The stored picture from the top, as (first row, uint8 (rows, W, 3)): for what needs no whole array."""
        with self._decoded("RGB") as image:
            yield from _strips(image, "RGB", deep_scale(image, rows), rows)

    def _whole(self, mode: str, as_stored: bool) -> Pixels:
        with self._decoded(mode) as image:
            return self._copied(image, mode, deep_scale(image, _STRIP), 1 if as_stored else self.orientation)

    @staticmethod
    def _copied(image: Image.Image, mode: str, scale: float, orientation: int = 1) -> Pixels:
        width, height = turned_size(image.size, orientation)
        pixels = np.empty((height, width, 3) if mode == "RGB" else (height, width), np.uint8)
        target = stored_view(pixels, orientation)
        for top, strip in _strips(image, mode, scale, _STRIP):
            target[top : top + len(strip)] = strip
        return pixels

    @contextmanager
    def _decoded(self, mode: str, size: tuple[int, int] | None = None) -> Iterator[Image.Image]:
        """The decoded image. size: a JPEG may come at a fraction of its size that is not smaller than this."""
        with self.path.open("rb") as stream, _opened(stream, self._formats) as image:
            with _told():
                image.draft(mode, size or image.size)
                try:
                    image.load()
                except OSError:
                    image.close()
                    _require_memory(self.stored_size)
                    raise
            yield image


def open_picture(media: Media, *, max_pixels: int = MAX_PIXELS, formats: Sequence[str] = FORMATS) -> Picture:
    """Read a picture's header.

    Raises MediaUnreadableError where the bytes are damaged or in none of `formats`, PictureTooLargeError (a
    NotApplicableError) for more than `max_pixels`: nothing has been decoded then.
    """
    Image.init()  # else Pillow knows only some of the formats
    with media.path.open("rb") as stream, _opened(stream, tuple(formats), max_pixels) as image:
        width, height = image.size
        image_format = image.format or ""
        limit = min(max_pixels, _MAX_PIXELS_OF.get(image_format, max_pixels))
        if width * height > limit:
            raise _too_large(limit, width * height, image_format)
        orientation, software = _exif(image)
        return Picture(
            path=media.path,
            stored_size=(width, height),
            orientation=orientation,
            format=image_format,
            mode=image.mode,
            software=software,
            _formats=tuple(formats),
        )


def _too_large(limit: int, pixels: int | None, image_format: str = "") -> PictureTooLargeError:
    has = f"{pixels / 1e6:,.1f} megapixels" if pixels else "too many pixels"
    kind = f" of a {image_format}" if limit == _MAX_PIXELS_OF.get(image_format) else ""
    convert = "Convert it to PNG, or upload" if kind else "Upload"
    return PictureTooLargeError(
        f"The picture has {has}; at most {limit / 1e6:,.6g} megapixels{kind} are examined. {convert} the part of it "
        "that matters (as a PNG: saving it as a JPEG again hides traces)."
    )


def _exif(image: Image.Image) -> tuple[int, str | None]:
    """Orientation and software. Damaged EXIF is no reason not to look at the pixels."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif = Image.Image.getexif(image)  # a PNG's own method would decode it to look behind the pixels
        orientation, software = exif.get(ExifTags.Base.Orientation, 1), exif.get(ExifTags.Base.Software)
    except _DAMAGED:
        return 1, None
    # Pillow turns TIFF by itself, and tells its upright size.
    known = isinstance(orientation, int) and 1 <= orientation <= 8 and image.format != "TIFF"
    return (orientation if known else 1), (str(software or "").strip("\0 ")[:100] or None)


@contextmanager
def _opened(stream: BinaryIO, formats: tuple[str, ...], max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    with _told(max_pixels):
        image = Image.open(stream, formats=formats)
    with image:
        yield image


@contextmanager
def _told(max_pixels: int = MAX_PIXELS) -> Iterator[None]:
    """Tell what the decoder raises in the SDK's terms."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as of size, which has a limit of ours
            yield
    except Image.DecompressionBombError as error:
        raise _too_large(max_pixels, None) from error
    except UnidentifiedImageError as error:
        raise MediaUnreadableError("The bytes are not a picture of a known format.") from error
    except _DAMAGED as error:
        raise MediaUnreadableError(f"The picture is damaged or cut off: {error}") from error


def _require_memory(size: tuple[int, int]) -> None:
    """Raise MemoryError where there is not enough to decode such a picture.

    libjpeg says the same of a memory that is full as of damaged bytes. The kernel refuses what is beyond a child's
    limit without giving it first, so asking costs nothing.
    """
    np.empty(size[0] * size[1] * _MOST_BYTES, np.uint8)


def _strips(image: Image.Image, mode: str, scale: float, rows: int) -> Iterator[tuple[int, Pixels]]:
    width, height = image.size
    for top in range(0, height, rows):
        yield top, flat(image.crop((0, top, width, min(top + rows, height))), mode, scale)
