"""From bytes to what is judged and drawn: crops at native resolution, and a small picture to draw over."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.inference.analyzers.synthetic_image.crops import SIDE, choose
from assay.inference.analyzers.synthetic_image.whole import NOTHING, whole
from assay.inference.pictures import Picture, inside_frame, open_picture, periodicity
from assay.sdk import Media, NotApplicableError

JUDGED = 6
"""At most so many crops decide."""
SHOWN = 32
"""At most so many, the deciding ones first, are scored for the heat map."""

_WHOLE_PIXELS = 16_000_000
_THUMBNAIL = 640
_LOSSLESS = ("PNG", "TIFF", "BMP")
_QUALITY = 95
_APART = 96

Pixels = NDArray[np.uint8]


class PictureTooSmallError(NotApplicableError):
    """Less than one crop."""

    code = "too_small"


@dataclass(frozen=True, slots=True)
class View:
    """What of a picture travels from the child to the worker.

    size       (width, height), upright
    crops      uint8 (N, 128, 128, 3), the most detailed first; N is 0 for a picture without any detail
    places     (left, top) of each, in pixels of the picture
    thumbnail  uint8 (h, w, 3): every so many-th pixel, to draw over
    period     see pictures.periodicity: large where the picture was enlarged
    whole      see whole.whole: the picture made small, if it may be a portrait
    saved      uint8 (M, 128, 128, 3): of a picture that is stored without loss, the deciding crops after JPEG 95, as
               pictures are that the network was trained on; else M is 0
    """

    size: tuple[int, int]
    crops: Pixels
    places: tuple[tuple[int, int], ...]
    thumbnail: Pixels
    period: float
    whole: Pixels
    saved: Pixels


def look(media: Media, max_pixels: int) -> View:
    """Decode and cut. Raises what `open_picture` and decoding raise, and PictureTooSmallError."""
    picture = open_picture(media, max_pixels=max_pixels)
    width, height = picture.size
    if min(width, height) < SIDE:
        raise PictureTooSmallError(f"The picture is {width} x {height} pixels; {SIDE} each way are needed at least.")
    return _large(picture) if width * height > _WHOLE_PIXELS else _small(picture)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is decided on luminance alone: (top, left) of the squares, and the period."""

    places: list[tuple[int, int]]
    period: float


def _seen(luma: Pixels) -> _Seen:
    """Squares inside of flat borders, spread over the picture; closer together where that leaves too few."""
    x, y, width, height = inside_frame(luma, SIDE)
    inside = luma[y : y + height, x : x + width]
    spread = choose(inside, SHOWN, apart=_APART)
    places = spread if len(spread) >= JUDGED else choose(inside, SHOWN)
    return _Seen([(y + top, x + left) for top, left in places], periodicity(inside))


def _small(picture: Picture) -> View:
    pixels = picture.rgb()
    seen = _seen(np.ascontiguousarray(pixels[..., 1]))
    parts = [pixels[top : top + SIDE, left : left + SIDE] for top, left in seen.places]
    rows = pixels[:: _step(picture)]
    # half the time of a step in both directions
    thumbnail = np.take(rows, range(0, rows.shape[1], _step(picture)), axis=1)
    return _view(picture, parts, seen, thumbnail, whole(pixels))


def _large(picture: Picture) -> View:
    """Two decodings, none of which keeps the whole picture in three colours."""
    luma = picture.luma()
    seen = _seen(luma)
    gray = luma[:: _step(picture), :: _step(picture)].copy()
    del luma
    parts = picture.parts([(left, top, SIDE, SIDE) for top, left in seen.places]) if seen.places else []
    return _view(picture, parts, seen, np.repeat(gray[..., None], 3, axis=2), NOTHING)


def _view(picture: Picture, parts: Sequence[Pixels], seen: _Seen, thumbnail: Pixels, small: Pixels) -> View:
    crops = np.stack(parts) if parts else np.zeros((0, SIDE, SIDE, 3), np.uint8)
    return View(
        size=picture.size,
        crops=crops,
        places=tuple((left, top) for top, left in seen.places),
        thumbnail=np.ascontiguousarray(thumbnail),
        period=seen.period,
        whole=small,
        saved=_saved(crops[:JUDGED] if picture.format in _LOSSLESS else crops[:0]),
    )


def _saved(crops: Pixels) -> Pixels:
    saved = np.empty_like(crops)
    for number, crop in enumerate(crops):
        buffer = io.BytesIO()
        Image.fromarray(crop).save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
        saved[number] = np.asarray(Image.open(buffer))
    return saved


def _step(picture: Picture) -> int:
    return max(1, -(-max(picture.size) // _THUMBNAIL))
