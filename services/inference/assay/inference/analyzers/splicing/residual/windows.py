"""How the patterns of each part of a picture differ from those of the rest of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.splicing.residual.traces import FIELDS, PATTERNS, SURROUNDINGS

Values = NDArray[np.float64]

DIFFERENCES = FIELDS * PATTERNS
CONTEXT = DIFFERENCES + 2 * SURROUNDINGS + 1

_SIDES = (0.18, 0.27, 0.4)  # of the picture's shorter side
_LEAST_CELLS = 4
_STEPS = 4  # to a window's side
_BORROWED = 400.0  # patterns of the picture as a whole that are lent to each part: a part with few says little


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Parts of a picture, each against the rest.

    differences  (N, DIFFERENCES) of the square roots of how often each pattern occurs
    context      (N, CONTEXT): the picture's own frequencies, the surroundings in part and rest, the size of the part
    """

    differences: Values
    context: Values


def windows(rows: int, columns: int) -> NDArray[np.int64]:
    """Squares that overlap, as (N, 3): row, column and side in cells; small ones first."""
    shorter = min(rows, columns)
    found = []
    for share in _SIDES:
        side = min(max(_LEAST_CELLS, round(share * shorter)), shorter - 1)
        step = max(1, side // _STEPS)
        tops, lefts = np.arange(0, rows - side + 1, step), np.arange(0, columns - side + 1, step)
        top, left = np.meshgrid(tops, lefts, indexing="ij")
        found.append(np.stack([top.ravel(), left.ravel(), np.full(top.size, side)], 1))
    return np.unique(np.concatenate(found), axis=0)


def sums(counts: Values, places: NDArray[np.int64]) -> Values:
    """The counts in each window. counts: (rows, columns, FIELDS, PATTERNS); returns (N, FIELDS, PATTERNS)."""
    table = np.zeros((counts.shape[0] + 1, counts.shape[1] + 1, *counts.shape[2:]))
    table[1:, 1:] = counts.cumsum(0).cumsum(1)
    top, left, side = places.T
    inside: Values = table[top + side, left + side] - table[top, left + side]
    inside += table[top, left] - table[top + side, left]
    return inside


def compare(inside: Values, total: Values) -> Compared:
    """Parts with counts `inside` (N, FIELDS, PATTERNS) of pictures that have `total` (N or 1, FIELDS, PATTERNS)."""
    whole = (total + 1.0) / (total.sum(-1, keepdims=True) + PATTERNS)
    rest = total - inside
    count = len(inside)
    part_kinds, rest_kinds = _kinds(inside), _kinds(rest)
    size = np.log1p(inside[:, :SURROUNDINGS].sum((-1, -2)))[:, None] / 10.0
    own = np.broadcast_to(np.sqrt(whole).reshape(len(total), DIFFERENCES), (count, DIFFERENCES))
    return Compared(
        (np.sqrt(_frequencies(inside, whole)) - np.sqrt(_frequencies(rest, whole))).reshape(count, DIFFERENCES),
        np.concatenate([own, part_kinds, rest_kinds, size], 1),
    )


def _frequencies(counts: Values, whole: Values) -> Values:
    shares: Values = (counts + _BORROWED * whole) / (counts.sum(-1, keepdims=True) + _BORROWED)
    return shares


def _kinds(counts: Values) -> Values:
    """The share of smooth, middling and busy surroundings."""
    kinds = counts[:, :SURROUNDINGS].sum(-1)
    shares: Values = kinds / np.maximum(kinds.sum(-1, keepdims=True), 1.0)
    return shares


def around(counts: Values, reach: int) -> Iterator[tuple[int, Values]]:
    """For each row of cells, the counts of the square that reaches `reach` cells to all sides: (row, (columns, …))."""
    rows, columns = counts.shape[:2]
    table = np.zeros((rows + 1, columns + 1, *counts.shape[2:]))
    table[1:, 1:] = counts.cumsum(0).cumsum(1)
    left = np.maximum(np.arange(columns) - reach, 0)
    right = np.minimum(np.arange(columns) + reach + 1, columns)
    for row in range(rows):
        band = table[min(row + reach + 1, rows)] - table[max(row - reach, 0)]
        yield row, band[right] - band[left]
