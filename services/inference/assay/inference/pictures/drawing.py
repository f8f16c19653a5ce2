"""Drawings over a picture, for people: heat and boxes, as PNG files of bounded size."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from assay.inference.pictures.orientation import Box, upright, upright_box

LONGEST_SIDE = 1024
"""Pixels that a drawing is wide or high at most."""

_COLOURS = np.array([[40, 0, 90], [200, 30, 60], [255, 140, 0], [255, 245, 120]], dtype=np.float64)
_PICTURE_LEVEL = 0.75
_MOST_COVERED = 0.7
_BOX_COLOUR, _EDGE_COLOUR = (255, 230, 0), (0, 0, 0)
_BOX_WIDTH = 2
_TEXT_SIZE = 14
_COMPRESSION = 3
"""Of zlib: two fifths of the time of its default, 6, and of photos no larger."""

Pixels = NDArray[np.uint8]
Heat = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Marked:
    """A rectangle to draw, in pixels of the picture, with a few words beside it."""

    box: Box
    text: str = ""


def draw(
    pixels: Pixels,
    *,
    heat: Heat | None = None,
    heat_box: Box | None = None,
    boxes: Sequence[Marked] = (),
    orientation: int = 1,
    longest: int = LONGEST_SIDE,
) -> bytes:
    """Draw heat and boxes over a picture.

    pixels       uint8 (H, W) or (H, W, 3), of any size. Under heat the picture is gray and darker
    heat         (R, C) of any size, 0..1: from violet over red to yellow; 0 leaves the picture alone
    heat_box     the part of `pixels` that heat covers (x, y, width, height); the whole if it is not given
    boxes        in pixels of `pixels`
    orientation  EXIF orientation of `pixels`, heat and boxes: the drawing is upright. Leave it at 1 for upright pixels
    longest      side of the drawing, in pixels

    Returns a PNG. Memory beside `pixels` does not grow with the picture.
    """
    height, width = pixels.shape[:2]
    small = shrunk(pixels, longest)
    scale_y, scale_x = small.shape[0] / height, small.shape[1] / width
    if heat is not None:
        x, y, wide, tall = heat_box or (0, 0, width, height)
        place = round(x * scale_x), round(y * scale_y)
        size = max(1, round(wide * scale_x)), max(1, round(tall * scale_y))
        small = _heated(small, heat, place, size)
    if small.ndim == 2:
        small = np.repeat(small[..., None], 3, axis=2)
    scaled = [
        Marked(
            (
                round(mark.box[0] * scale_x),
                round(mark.box[1] * scale_y),
                max(1, round(mark.box[2] * scale_x)),
                max(1, round(mark.box[3] * scale_y)),
            ),
            mark.text,
        )
        for mark in boxes
    ]
    size = small.shape[1], small.shape[0]
    image = Image.fromarray(upright(small, orientation))
    _outline(image, [Marked(upright_box(mark.box, size, orientation), mark.text) for mark in scaled])
    return as_png(image)


def as_png(image: Image.Image | Pixels) -> bytes:
    """The bytes of a PNG."""
    output = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
        output, "PNG", compress_level=_COMPRESSION
    )
    return output.getvalue()


def shrunk(pixels: Pixels, longest: int = LONGEST_SIDE) -> Pixels:
    """Averages of uint8 (H, W) or (H, W, 3), so that the longer side has at most `longest` pixels."""
    height, width = pixels.shape[:2]
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size == (width, height):
        return pixels
    factor = max(1, int(0.5 / scale))
    if factor > 1:
        rows = 64 * factor  # a strip at a time: Pillow's own copy of a large picture would take as much again
        strips = [
            np.asarray(Image.fromarray(np.ascontiguousarray(pixels[top : top + rows])).reduce(factor))
            for top in range(0, height, rows)
        ]
        pixels = np.concatenate(strips)
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BOX))


def _heated(pixels: Pixels, heat: Heat, place: tuple[int, int], size: tuple[int, int]) -> Pixels:
    """Lay heat over a small picture, (H, W) or (H, W, 3); returns (H, W, 3)."""
    gray = pixels if pixels.ndim == 2 else np.asarray(Image.fromarray(pixels).convert("L"))
    layer = Image.new("F", (gray.shape[1], gray.shape[0]))
    warm = Image.fromarray(np.ascontiguousarray(np.clip(heat, 0.0, 1.0), dtype=np.float32))
    # Bilinear beyond a halving averages: a hot spot of a few cells is not lost in a small drawing of a large map.
    layer.paste(warm.resize(size, Image.Resampling.BILINEAR), place)
    warmth = np.clip(np.asarray(layer, dtype=np.float64), 0.0, 1.0)
    coverage = (_MOST_COVERED * np.sqrt(warmth))[..., None]
    mixed = gray[..., None] * _PICTURE_LEVEL * (1.0 - coverage) + _colour(warmth) * coverage
    return mixed.round().astype(np.uint8)


def _colour(values: NDArray[np.float64]) -> NDArray[np.float64]:
    stops = np.linspace(0.0, 1.0, len(_COLOURS))
    return np.stack([np.interp(values, stops, _COLOURS[:, channel]) for channel in range(3)], axis=-1)


def _outline(image: Image.Image, boxes: Sequence[Marked]) -> None:
    """Draw yellow frames with a black edge, and their words above them or inside."""
    canvas = ImageDraw.Draw(image)
    font = ImageFont.load_default(_TEXT_SIZE)
    for mark in boxes:
        x, y, wide, tall = mark.box
        right, bottom = x + wide - 1, y + tall - 1
        canvas.rectangle((x - 1, y - 1, right + 1, bottom + 1), outline=_EDGE_COLOUR, width=_BOX_WIDTH + 2)
        canvas.rectangle((x, y, right, bottom), outline=_BOX_COLOUR, width=_BOX_WIDTH)
        if mark.text:
            at = (x + 3, y - _TEXT_SIZE - 5 if y > _TEXT_SIZE + 5 else y + 4)
            canvas.text(at, mark.text, fill=_BOX_COLOUR, stroke_fill=_EDGE_COLOUR, stroke_width=2, font=font)
