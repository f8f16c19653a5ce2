"""What a quantisation table tells: the quality of the last saving."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

# Table K.1 of ITU-T T.81, row by row.
_STANDARD = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=np.int64,
)


def standard_table(quality: int) -> NDArray[np.int64]:
    """The luminance table, (8, 8), that the Independent JPEG Group's library makes for a quality of 1..100."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((_STANDARD * percent + 50) // 100, 1, 255)


def likely_quality(steps: dict[tuple[int, int], int]) -> tuple[int, bool]:
    """The standard quality whose table is nearest to the known steps, and whether it is exactly theirs.

    steps: quantisation step by (row, column); not all need be known.
    """
    rows, columns = np.array(list(steps)).T
    known = np.array(list(steps.values()), dtype=np.float64)
    distances = np.abs(np.log(_all_tables()[:, rows, columns] / known)).sum(1)
    nearest = 100 - int(distances[::-1].argmin())  # the higher of equals: 75 rather than 74
    return nearest, bool(distances[nearest - 1] == 0.0)


@cache
def _all_tables() -> NDArray[np.int64]:
    """The tables of quality 1..100, (100, 8, 8)."""
    return np.stack([standard_table(quality) for quality in range(1, 101)])
