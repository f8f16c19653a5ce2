"""The picture with what was found laid over it."""

import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.jpeg_forensics.calibration import assess
from assay.inference.analyzers.jpeg_forensics.dct import BLOCK
from assay.inference.analyzers.jpeg_forensics.decoding import Picture
from assay.inference.analyzers.jpeg_forensics.examination import Examination
from assay.inference.pictures import draw

_FULL_HEAT = 12.0  # nats around a block that are shown in the brightest colour
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
    """Draw the heat over the picture in gray, upright, of bounded size. `at`: where the grid starts (x, y).

    Returns a PNG: dark gray where nothing speaks, from violet over red to yellow where another history shows.
    """
    rows, columns = warmth.shape
    covered = (at[0], at[1], columns * BLOCK, rows * BLOCK)
    return draw(picture.luma, heat=warmth, heat_box=covered, orientation=picture.orientation)
