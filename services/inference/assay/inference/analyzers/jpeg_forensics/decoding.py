"""From untrusted bytes to the luminance that the analysis reads."""

import warnings
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from assay.sdk import Media, MediaUnreadableError, NotApplicableError

MINIMUM_SIDE = 64

_NEAR_END = 3  # saving again moves a clipped colour by a few levels

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One decoded picture, in the frame in which it is stored (EXIF orientation not applied).

    luma         uint8 (H, W), Y of ITU-R BT.601 as JPEG uses it
    clipped      bool (H, W): a colour is at or next to an end of its range, so that Y there says less
    table        the luminance quantisation table of a JPEG, 64 numbers row by row, else None
    orientation  EXIF orientation 1..8; 1 is upright
    format       the decoder's name of the format, such as JPEG
    software     the EXIF tag Software, if there is one
    """

    sha256: str
    luma: NDArray[np.uint8]
    clipped: NDArray[np.bool_]
    table: tuple[int, ...] | None
    orientation: int
    format: str
    software: str | None


def decode(media: Media, max_pixels: int) -> Picture:
    """Decode the first frame.

    A JPEG's coefficients come back from its luminance: the decoder is asked for Y itself, without a colour conversion,
    and transforming Y again gives the stored coefficients except where pixels were clipped. So one decoder serves
    baseline, progressive, grayscale and CMYK files.

    Raises MediaUnreadableError for damaged or truncated bytes, NotApplicableError for pictures that are smaller than
    MINIMUM_SIDE or have more than `max_pixels`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the limit below is ours; Pillow would warn at its own
            return _read(media.path.read_bytes(), media.sha256, max_pixels)
    except Image.DecompressionBombError as error:
        raise NotApplicableError(f"The picture has more than {max_pixels:,} pixels; it is not examined.") from error
    except UnidentifiedImageError as error:
        raise MediaUnreadableError("The bytes are not a picture of a known format.") from error
    except _DAMAGED as error:
        raise MediaUnreadableError(f"The picture is damaged or cut off: {error}") from error


def _read(data: bytes, sha256: str, max_pixels: int) -> Picture:
    Image.init()  # else Pillow knows only some of the formats
    with Image.open(BytesIO(data), formats=_FORMATS) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise NotApplicableError(f"The picture has more than {max_pixels:,} pixels; it is not examined.")
        if min(width, height) < MINIMUM_SIDE:
            raise NotApplicableError(
                f"The picture is under {MINIMUM_SIDE} pixels wide or high: too few blocks to judge."
            )
        exif = image.getexif()
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        software = exif.get(ExifTags.Base.Software)
        table = _luminance_table(image)
        luma, clipped = _pixels(image)
    if table is not None:
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            image.draft("L", image.size)
            luma = np.ascontiguousarray(image.convert("L"), dtype=np.uint8)
    return Picture(
        sha256=sha256,
        luma=luma,
        clipped=clipped,
        table=table,
        orientation=orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1,
        format=image.format or "",
        software=str(software).strip("\0 ")[:100] or None if software else None,
    )


def _luminance_table(image: Image.Image) -> tuple[int, ...] | None:
    """The first quantisation table, where it applies to luminance."""
    tables = getattr(image, "quantization", None)
    if not tables or image.mode not in ("L", "RGB"):
        return None
    table = tuple(int(step) for step in tables[min(tables)])
    return table if len(table) == 64 and min(table) > 0 else None


def _pixels(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Luminance, and where colours are clipped."""
    if image.mode.startswith(("I", "F")):
        luma = _from_deep(np.asarray(image).astype(np.float64))
        return luma, _at_end(luma)
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGBA").convert("RGB")
    luma = np.ascontiguousarray(image.convert("L"), dtype=np.uint8)
    clipped = _at_end(luma)
    for colour in image.split():
        clipped |= _at_end(np.asarray(colour, dtype=np.uint8))
    return luma, clipped


def _at_end(samples: NDArray[np.uint8]) -> NDArray[np.bool_]:
    at_end: NDArray[np.bool_] = (samples < _NEAR_END) | (samples > 255 - _NEAR_END)
    return at_end


def _from_deep(samples: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Bring samples of more than eight bits to 0..255. Sixteen bits that hold eight (times 257) come back exactly."""
    samples = np.nan_to_num(samples)
    peak = float(samples.max(initial=0.0))
    scale = 1.0 if peak <= 255.0 else 257.0 if peak <= 65535.0 else peak / 255.0
    return np.clip(np.rint(samples / scale), 0, 255).astype(np.uint8)
