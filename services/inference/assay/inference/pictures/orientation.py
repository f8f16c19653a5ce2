"""From the frame in which a picture is stored to the one in which people see it (EXIF orientation), and back."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels."""

Pixels = NDArray[np.uint8]

# EXIF 2.3, tag 0x0112: how the stored rows and columns are turned for display.
_TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.flipud(np.fliplr(np.swapaxes(a, 0, 1))),
    8: lambda a: np.rot90(a, 1),
}
_BACK = {6: 8, 8: 6}  # each other turn undoes itself


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn an array of (H, W) or (H, W, C) as the EXIF orientation asks for. Returns a contiguous array."""
    return np.ascontiguousarray(_TURNS[orientation](pixels))


def stored_view(pixels: Pixels, orientation: int) -> Pixels:
    """An upright array, seen in the stored frame: a view, so that writing into it fills the upright array."""
    return _TURNS[_BACK.get(orientation, orientation)](pixels)


def turned_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """(width, height) of a stored picture once it is upright; the other way round it is the same."""
    width, height = size
    return (height, width) if orientation >= 5 else (width, height)


def upright_box(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """Turn a box [x, y, width, height] of a stored picture of `size` (width, height) with the picture."""
    x, y, wide, tall = box
    width, height = size
    mirrored_x, mirrored_y = width - x - wide, height - y - tall
    return {
        1: (x, y, wide, tall),
        2: (mirrored_x, y, wide, tall),
        3: (mirrored_x, mirrored_y, wide, tall),
        4: (x, mirrored_y, wide, tall),
        5: (y, x, tall, wide),
        6: (mirrored_y, x, tall, wide),
        7: (mirrored_y, mirrored_x, tall, wide),
        8: (y, mirrored_x, tall, wide),
    }[orientation]


def stored_box(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """Turn a box of the upright picture back. `size` is (width, height) of the stored one."""
    return upright_box(box, turned_size(size, orientation), _BACK.get(orientation, orientation))
