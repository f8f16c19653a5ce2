"""The picture with what was found laid over it."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.inference.analyzers.jpeg_forensics.calibration import assess
from assay.inference.analyzers.jpeg_forensics.dct import BLOCK
from assay.inference.analyzers.jpeg_forensics.decoding import Picture
from assay.inference.analyzers.jpeg_forensics.examination import Examination
from assay.inference.pictures import upright

LONGEST_SIDE = 1024

_FULL_HEAT = 12.0  # nats around a block that are shown in the brightest colour
_COLOURS = np.array([[40, 0, 90], [200, 30, 60], [255, 140, 0], [255, 245, 120]], dtype=np.float64)
_PICTURE_LEVEL = 0.75
_LEAST_MARKED = 0.5
_FAINT = 0.3


def suspect(picture: Picture, examination: Examination) -> NDArray[np.bool_]:
    """Mark the blocks of the regions that the verdict rests on, (H // 8, W // 8), on the grid of `double_grid`."""
    height, width = picture.luma.shape
    marked = np.zeros((height // BLOCK, width // BLOCK), dtype=np.bool_)
    assessment = assess(examination)
    for region in [odd.region for odd in assessment.odd] + [foreign.region for foreign in assessment.foreign]:
        marked[region.span] |= region.mask
    return marked


def heat(picture: Picture, examination: Examination) -> NDArray[np.float32]:
    """How much each block speaks for another history than the rest, 0..1; faint outside the regions that count.

    Returns (H // 8, W // 8) on the grid of `double_grid`.
    """
    marked = suspect(picture, examination)
    result = np.where(marked, _LEAST_MARKED, 0.0).astype(np.float32)
    double = examination.double
    if double is not None and double.evidence is not None:
        warm = np.clip(double.evidence / _FULL_HEAT, 0.0, 1.0).astype(np.float32)
        there = (slice(warm.shape[0]), slice(warm.shape[1]))
        result[there] = np.where(marked[there], np.maximum(result[there], warm), _FAINT * warm)
    for found in examination.grids.foreign:
        result[found.region.span][found.region.mask & marked[found.region.span]] = 1.0
    return result


def render(picture: Picture, warmth: NDArray[np.float32], at: tuple[int, int]) -> bytes:
    """Draw the heat over the picture in gray, upright, at most LONGEST_SIDE long. `at`: where the grid starts (x, y).

    Returns a PNG: dark gray where nothing speaks, from violet over red to yellow where another history shows.
    """
    height, width = picture.luma.shape
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    gray = np.asarray(Image.fromarray(picture.luma).resize(size, Image.Resampling.BOX), dtype=np.float64)
    rows, columns = warmth.shape
    covered = (max(1, round(columns * BLOCK * scale)), max(1, round(rows * BLOCK * scale)))
    layer = Image.new("F", size)
    layer.paste(
        Image.fromarray(warmth).resize(covered, Image.Resampling.BILINEAR), (round(at[0] * scale), round(at[1] * scale))
    )
    small = np.clip(np.asarray(layer, dtype=np.float64), 0.0, 1.0)
    coverage = (0.7 * np.sqrt(small))[..., None]
    mixed = gray[..., None] * _PICTURE_LEVEL * (1.0 - coverage) + _colour(small) * coverage
    output = BytesIO()
    Image.fromarray(upright(mixed.round().astype(np.uint8), picture.orientation)).save(output, "PNG")
    return output.getvalue()


def _colour(values: NDArray[np.float64]) -> NDArray[np.float64]:
    stops = np.linspace(0.0, 1.0, len(_COLOURS))
    return np.stack([np.interp(values, stops, _COLOURS[:, channel]) for channel in range(3)], axis=-1)
