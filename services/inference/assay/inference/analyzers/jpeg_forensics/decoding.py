"""From untrusted bytes to what the analysis reads."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.inference import pictures
from assay.inference.analyzers.jpeg_forensics.structure import JpegStructure, read_structure
from assay.sdk import Media, NotApplicableError

MINIMUM_SIDE = 64

_NEAR_END = 3  # saving again moves a clipped colour by a few levels


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One decoded picture, in the frame in which it is stored (EXIF orientation not applied).

    luma         uint8 (H, W), Y of ITU-R BT.601 as JPEG uses it
    clipped      uint8 (H, ceil(W / 8)), eight pixels a byte as `numpy.packbits` packs them: a colour is at or next to
                 an end of its range, so that Y there says less
    table        the luminance quantisation table of a JPEG, 64 numbers row by row, else None
    orientation  EXIF orientation 1..8; 1 is upright
    format       the decoder's name of the format, such as JPEG
    software     the EXIF tag Software, if there is one
    structure    how a JPEG is laid out, else None
    """

    sha256: str
    luma: NDArray[np.uint8]
    clipped: NDArray[np.uint8]
    table: tuple[int, ...] | None
    orientation: int
    format: str
    software: str | None
    structure: JpegStructure | None = None


def decode(media: Media, max_pixels: int) -> Picture:
    """Decode the first frame.

    A JPEG's coefficients come back from its luminance: the decoder is asked for Y itself, without a colour conversion,
    and transforming Y again gives the stored coefficients except where pixels were clipped. So one decoder serves
    baseline, progressive, grayscale and CMYK files.

    Raises MediaUnreadableError for damaged or truncated bytes, NotApplicableError for pictures that are smaller than
    MINIMUM_SIDE or have more than `max_pixels`.
    """
    source = pictures.open_picture(media, max_pixels=max_pixels)
    if min(source.size) < MINIMUM_SIDE:
        raise NotApplicableError(f"The picture is under {MINIMUM_SIDE} pixels wide or high: too few blocks to judge.")
    structure = read_structure(media.path) if source.is_jpeg else None
    table = structure.luminance if structure is not None and source.mode in ("L", "RGB") else None
    luma, clipped = _pixels(source, convert=table is None)
    return Picture(
        sha256=media.sha256,
        luma=source.luma(as_stored=True) if luma is None else luma,
        clipped=clipped,
        table=table,
        orientation=source.orientation,
        format=source.format,
        software=source.software,
        structure=structure,
    )


def _pixels(source: pictures.Picture, *, convert: bool) -> tuple[NDArray[np.uint8] | None, NDArray[np.uint8]]:
    """Where colours are clipped, from one decoding; with it the luminance, if it is to be converted from colours."""
    width, height = source.stored_size
    luma = np.empty((height, width), np.uint8) if convert else None
    clipped = np.empty((height, -(-width // 8)), np.uint8)
    for top, strip in source.strips():
        rows = slice(top, top + len(strip))
        # Unsigned numbers wrap around: both ends of the range end up above the rest.
        ends = strip - np.uint8(_NEAR_END) > np.uint8(255 - 2 * _NEAR_END)
        clipped[rows] = np.packbits(ends[..., 0] | ends[..., 1] | ends[..., 2], axis=1)
        if luma is not None:
            luma[rows] = np.asarray(Image.fromarray(strip).convert("L"))
    return luma, clipped
