"""What a quantisation table tells: the quality of the last saving."""

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
    known = np.array(list(steps.values()), dtype=np.float64)

    def distance(quality: int) -> float:
        table = standard_table(quality)
        return float(np.abs(np.log(np.array([table[at] for at in steps]) / known)).sum())

    nearest = min(range(100, 0, -1), key=distance)  # the higher of equals: 75 rather than 74
    return nearest, distance(nearest) == 0.0
