"""Where in a file the picture itself lies: a screenshot or a page has flat borders around it."""

import numpy as np
from numpy.typing import NDArray

from assay.inference.pictures.orientation import Box

_FLAT = 6
"""Levels between the darkest and the brightest pixel of a line of a border: compression leaves so many."""
_BLEEDS = 8
"""Pixels of the picture beside a border that are left out with it: compression mixes them."""


def inside_frame(luma: NDArray[np.uint8], smallest: int) -> Box:
    """The box (x, y, width, height) without flat borders; the whole picture where it has none.

    luma: uint8 (H, W). smallest: a side in pixels; if less would be left, nothing is left out.
    """
    height, width = luma.shape
    left = top = 0
    right, bottom = width, height
    # twice: a border may lie beside a border, such as a window's title above a page
    for _ in range(2):
        if right - left < smallest or bottom - top < smallest:
            return 0, 0, width, height
        inner_left, inner_right = _ends(luma[top:bottom, left:right].T)
        left, right = left + inner_left, left + inner_right
        inner_top, inner_bottom = _ends(luma[top:bottom, left:right]) if left < right else (0, 0)
        top, bottom = top + inner_top, top + inner_bottom
    left, top = (start + _BLEEDS if start else 0 for start in (left, top))
    right, bottom = (end - _BLEEDS if end < side else side for end, side in ((right, width), (bottom, height)))
    if right - left < smallest or bottom - top < smallest:
        return 0, 0, width, height
    return left, top, right - left, bottom - top


def _ends(lines: NDArray[np.uint8]) -> tuple[int, int]:
    """First line, and one behind the last, that is not flat."""
    first, last = 0, len(lines)
    while first < last and int(np.ptp(lines[first])) <= _FLAT:
        first += 1
    while last > first and int(np.ptp(lines[last - 1])) <= _FLAT:
        last -= 1
    return first, last
