"""Maps for the eye: JPEG ghosts, and error levels. No verdict rests on them.

Both ask how much a block changes when the picture is saved once more at some quality. The change of a block's pixels is
that of its coefficients (Parseval), so nothing needs to be saved: coefficients are rounded to that quality's steps.
Large pictures are looked at in every second, third … block, so that a map takes the same time for any size.

Sources: H. Farid, Exposing digital forgeries from JPEG ghosts, IEEE TIFS 4(1), 2009; N. Krawetz, A picture's worth …
Digital image analysis and forensics, Black Hat USA 2007, for error levels. On why error levels prove nothing: bright
parts are those with texture and edges, in any picture.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from assay.inference.analyzers.jpeg_forensics.dct import BLOCK, block_coefficients
from assay.inference.analyzers.jpeg_forensics.decoding import Picture
from assay.inference.analyzers.jpeg_forensics.double import FREQUENCIES
from assay.inference.analyzers.jpeg_forensics.regions import box_sum
from assay.inference.analyzers.jpeg_forensics.tables import nearest, standard_table
from assay.inference.pictures import LONGEST_SIDE, as_png, upright

QUALITIES = tuple(range(40, 100, 5))
_ERROR_LEVEL_QUALITY = 90
_BELOW = 5  # its own quality changes nothing in a picture
_LEAST_BRIGHT = 2.0  # levels: less than that is rounding

_COLUMNS = 4
_MOST_BLOCKS = 384  # on a side of a map
_GAP, _HEADING = 6, 18
_AROUND = 2  # ghosts are averaged over 5 by 5 blocks
_BRIGHTEST = 99.5  # percentile that is drawn white
_ALL = tuple((row, column) for row in range(BLOCK) for column in range(BLOCK))

Floats = NDArray[np.float64]


def ghosts(picture: Picture, origin: tuple[int, int]) -> Floats:
    """Farid's maps: how little each block changes when saved again, beside the other qualities.

    origin: where the block grid starts (x, y). Returns (12, R, C), one map for each of QUALITIES, 0..1 in each block
    over the qualities: 0 where the block changes least. Parts that were saved at that quality before are darker than
    the rest of that map.
    """
    coefficients = _coefficients(picture, origin, FREQUENCIES)
    size = (2 * _AROUND + 1) ** 2
    changes = np.stack(
        [
            box_sum(_change(coefficients, FREQUENCIES, quality).astype(np.float64), _AROUND) / size
            for quality in QUALITIES
        ]
    )
    least, most = changes.min(0), changes.max(0)
    share: Floats = (changes - least) / np.maximum(most - least, 1e-9)
    return share


def error_level_quality(picture: Picture) -> int:
    """The quality at which error levels are looked at: 90, or a little below the picture's own."""
    if picture.table is None:
        return _ERROR_LEVEL_QUALITY
    return min(_ERROR_LEVEL_QUALITY, max(QUALITIES[0], nearest(picture.table).quality - _BELOW))


def error_levels(picture: Picture, origin: tuple[int, int]) -> Floats:
    """How much each block of luminance changes when saved again: (R, C), root mean square, in levels of 0..255."""
    change = _change(_coefficients(picture, origin, _ALL), _ALL, error_level_quality(picture))
    levels: Floats = np.sqrt(change.astype(np.float64) / BLOCK**2)
    return levels


def draw_ghosts(picture: Picture, origin: tuple[int, int]) -> bytes:
    """A PNG of all ghost maps, upright, each under its quality; at most LONGEST_SIDE wide."""
    maps = [upright(_gray(np.sqrt(each)), picture.orientation) for each in ghosts(picture, origin)]
    wide = (LONGEST_SIDE - _GAP * (_COLUMNS + 1)) // _COLUMNS
    height, width = maps[0].shape
    scale = wide / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    pitch = size[0] + _GAP, size[1] + _GAP + _HEADING
    rows = -(-len(maps) // _COLUMNS)
    sheet = Image.new("L", (_GAP + _COLUMNS * pitch[0], _GAP + rows * pitch[1]), 255)
    canvas, font = ImageDraw.Draw(sheet), ImageFont.load_default(_HEADING - 4)
    for number, (quality, each) in enumerate(zip(QUALITIES, maps, strict=True)):
        x, y = _GAP + number % _COLUMNS * pitch[0], _GAP + number // _COLUMNS * pitch[1]
        canvas.text((x, y - 1), f"quality {quality}", fill=0, font=font)
        sheet.paste(Image.fromarray(each).resize(size, Image.Resampling.BILINEAR), (x, y + _HEADING))
    return as_png(sheet)


def draw_error_levels(picture: Picture, origin: tuple[int, int]) -> bytes:
    """A PNG of the error levels, upright, at most LONGEST_SIDE long; the blocks that change most are white."""
    levels = error_levels(picture, origin)
    shown = upright(_gray(levels / max(float(np.percentile(levels, _BRIGHTEST)), _LEAST_BRIGHT)), picture.orientation)
    scale = min(LONGEST_SIDE, max(picture.luma.shape)) / max(shown.shape)
    size = max(1, round(shown.shape[1] * scale)), max(1, round(shown.shape[0] * scale))
    return as_png(Image.fromarray(shown).resize(size, Image.Resampling.NEAREST))


def _coefficients(picture: Picture, origin: tuple[int, int], frequencies: Sequence[tuple[int, int]]) -> torch.Tensor:
    """Of blocks evenly spread over the picture: float32 (K, R, C)."""
    x, y = origin
    height, width = picture.luma.shape
    rows, columns = (height - y) // BLOCK, (width - x) // BLOCK
    step = -(-max(rows, columns) // _MOST_BLOCKS)
    blocks = picture.luma[y : y + rows * BLOCK, x : x + columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    some = blocks[::step, :, ::step]
    luma = np.ascontiguousarray(some).reshape(some.shape[0] * BLOCK, some.shape[2] * BLOCK)
    return block_coefficients(torch.from_numpy(luma)[None], frequencies)[0]


def _change(coefficients: torch.Tensor, frequencies: Sequence[tuple[int, int]], quality: int) -> NDArray[np.float32]:
    """Sum over the frequencies of the squared change that rounding to a quality's steps makes."""
    table = standard_table(quality)
    change = torch.zeros_like(coefficients[0])
    for values, (row, column) in zip(coefficients, frequencies, strict=True):
        step = float(table[row, column])
        change += (values - torch.round(values / step) * step) ** 2
    return change.numpy()


def _gray(values: Floats) -> NDArray[np.uint8]:
    return (np.clip(values, 0.0, 1.0) * 255.0).round().astype(np.uint8)
