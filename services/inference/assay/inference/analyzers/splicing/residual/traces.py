"""Which patterns the residual noise makes, counted in each cell of a picture.

The third-order residual is quantised to three levels; four neighbours of it are a pattern, along the direction of the
residual and across it. What a camera, a scaling or a compression leaves behind shows in how often each pattern occurs.
The counts are kept apart for smooth, middling and busy surroundings, so that content shows less.

Source: D. Cozzolino, G. Poggi, L. Verdoliva, Splicebuster: a new blind image splicing detector, WIFS 2015. Ours: the
three kinds of surroundings.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SURROUNDINGS = 3
DIRECTIONS = 2  # along the residual and across it; rows and columns are counted together
PATTERNS = 25  # of 81, those equal under reversal or a change of sign taken as one
FIELDS = DIRECTIONS * SURROUNDINGS

_LEVEL = 2  # a residual below it, in luma levels, counts as none
_BUSY = (3, 10)  # levels between the averages on either side
_DARK, _BRIGHT = 4, 251
_ALL_PATTERNS = 81
_HALVED_ABOVE, _QUARTERED_ABOVE = 2_500_000, 6_000_000  # pixels; of larger pictures a part of the rows is read


def cell_side(height: int, width: int) -> int:
    """Pixels of a cell's side: small pictures have small cells."""
    pixels = height * width
    return 16 if pixels <= 600_000 else 32 if pixels <= 4_000_000 else 64 if pixels <= 50_000_000 else 128


def count_patterns(luma: Tensor, device: torch.device | str = "cpu") -> Tensor:
    """Count the patterns in each cell, a strip of the picture at a time on the device.

    luma: uint8 (H, W) on the CPU, both sides at least four cells.
    Returns int32 (H // cell, W // cell, FIELDS, PATTERNS) on the CPU; fields are 3 surroundings along, then 3 across.
    Whole numbers, and so the same on every device.
    """
    height, width = luma.shape
    side = cell_side(height, width)
    rows, columns = height // side, width // side
    counts = torch.zeros((rows, columns, DIRECTIONS * SURROUNDINGS * _ALL_PATTERNS), dtype=torch.int32)
    for first, strip in _strips(luma, side, rows):
        counts[first : first + 1] += _strip_counts(strip.to(device), side, columns)
    full = counts.view(rows, columns, FIELDS, _ALL_PATTERNS)
    folded = torch.zeros((rows, columns, FIELDS, PATTERNS), dtype=torch.int32)
    return folded.index_add_(3, torch.from_numpy(_folding()), full)


def _strips(luma: Tensor, side: int, rows: int) -> Iterator[tuple[int, Tensor]]:
    """Each row of cells with six rows more for the patterns' reach; less of it where the picture is large."""
    height, width = luma.shape
    used = side // (4 if height * width > _QUARTERED_ABOVE else 2 if height * width > _HALVED_ABOVE else 1)
    for row in range(rows):
        top = min(row * side, height - used - 6)
        yield row, luma[top : top + used + 6]


def _strip_counts(strip: Tensor, side: int, columns: int) -> Tensor:
    """Patterns of one row of cells; strip: uint8 (rows + 6, W). Returns int32 (1, columns, fields) on the CPU."""
    levels = strip.to(torch.int16)
    tall, wide = levels.shape[0] - 6, min(levels.shape[1] - 6, columns * side)
    busy = _surroundings(levels, tall, wide)
    cell = (torch.arange(wide, device=strip.device) // side).clamp_(max=columns - 1)
    place = (cell * (DIRECTIONS * SURROUNDINGS * _ALL_PATTERNS))[None, :] + busy.to(torch.int64) * _ALL_PATTERNS
    used = busy < SURROUNDINGS
    total = torch.zeros(columns * FIELDS * _ALL_PATTERNS, dtype=torch.int64, device=strip.device)
    for axis in (0, 1):
        level = _levels(levels, axis)
        for field, reach in enumerate((axis, 1 - axis)):
            code = _codes(level, reach)[:tall, :wide].to(torch.int64)
            index = place + code + field * SURROUNDINGS * _ALL_PATTERNS
            total += torch.bincount(index[used], minlength=len(total))
    return total.to(torch.int32).view(1, columns, FIELDS * _ALL_PATTERNS).cpu()


def _levels(levels: Tensor, axis: int) -> Tensor:
    """The third-order residual along an axis, as 0, 1, 2 for below, about and above nothing; int16."""
    n = levels.shape[axis] - 3
    a, b, c, d = (levels.narrow(axis, k, n) for k in range(4))
    residual = (b - c).mul_(3).add_(d).sub_(a)
    return (residual >= _LEVEL).to(torch.uint8).add_(residual > -_LEVEL)


def _codes(level: Tensor, axis: int) -> Tensor:
    """Four neighbours along an axis as one number of 0..80, uint8."""
    n = level.shape[axis] - 3
    code = level.narrow(axis, 0, n).clone()
    for k in (1, 2, 3):
        code.mul_(3).add_(level.narrow(axis, k, n))
    return code


def _surroundings(levels: Tensor, tall: int, wide: int) -> Tensor:
    """0 smooth, 1 middling, 2 busy, 3 not used (clipped), for each place; uint8 (tall, wide)."""
    quads = levels[:-1, :-1] + levels[1:, :-1] + levels[:-1, 1:] + levels[1:, 1:]
    across = (quads[2 : 2 + tall, 0:wide] - quads[2 : 2 + tall, 4 : 4 + wide]).abs_()
    down = (quads[0:tall, 2 : 2 + wide] - quads[4 : 4 + tall, 2 : 2 + wide]).abs_()
    change = torch.maximum(across, down)
    kind = (change > 4 * _BUSY[0]).to(torch.uint8) + (change > 4 * _BUSY[1])
    middle = levels[3 : 3 + tall, 3 : 3 + wide]
    return torch.where((middle < _DARK) | (middle > _BRIGHT), SURROUNDINGS, kind)


@cache
def _folding() -> NDArray[np.int64]:
    """For each of the 81 patterns the number, below PATTERNS, of its kind."""
    digits = np.stack(np.unravel_index(np.arange(_ALL_PATTERNS), (3, 3, 3, 3)), 1)
    weights = np.array([27, 9, 3, 1])
    same = np.stack([kind @ weights for kind in (digits, 2 - digits, digits[:, ::-1], 2 - digits[:, ::-1])], 1).min(1)
    _, number = np.unique(same, return_inverse=True)
    return number.astype(np.int64)
