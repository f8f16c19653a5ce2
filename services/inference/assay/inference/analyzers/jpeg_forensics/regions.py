"""Connected parts of a map of 8 by 8 cells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Cells that hang together. `mask` covers only the rectangle of the half-open spans `rows` and `columns`."""

    mask: Cells
    rows: tuple[int, int]
    columns: tuple[int, int]
    size: int

    @property
    def span(self) -> tuple[slice, slice]:
        """The region's rectangle in the map."""
        return slice(*self.rows), slice(*self.columns)


def box_sum(values: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    """Sum over the square of `2 * radius + 1` cells around each cell; outside counts as zero."""
    padded = np.pad(values, radius + 1)
    table = padded.cumsum(0).cumsum(1)
    side = 2 * radius + 1
    upper, lower = table[:-side], table[side:]
    sums: NDArray[np.float64] = lower[:, side:] - upper[:, side:] - lower[:, :-side] + upper[:, :-side]
    return sums[: values.shape[0], : values.shape[1]]


def open_close(cells: Cells) -> Cells:
    """Drop cells that stand alone (fewer than 4 of the 9 around are set), and fill gaps (at least 5 are)."""
    kept = cells & (_neighbours(cells) >= 4)
    filled: Cells = kept | (_neighbours(kept) >= 5)
    return filled


def _neighbours(cells: Cells) -> NDArray[np.uint8]:
    """How many of the 3 by 3 cells around each are set."""
    padded = np.pad(cells, 1).view(np.uint8)
    lines = padded[:-2] + padded[1:-1] + padded[2:]
    count: NDArray[np.uint8] = lines[:, :-2] + lines[:, 1:-1] + lines[:, 2:]
    return count


def connected(cells: Cells, minimum: int, most: int | None = None) -> list[Region]:
    """The eight-connected parts with at least `minimum` cells, largest first, in a fixed order; `most` of them.

    Runs of cells in a row are joined, not cells, so that parts of millions of cells take no longer than their outline.
    """
    rows, starts, ends = _runs(cells)
    if not len(rows):
        return []
    part = _parts(len(rows), *_touching(rows, starts, ends))
    # Numbered by their first run, so that equal ones stay in the order of their first cell.
    sizes = np.bincount(part, weights=ends - starts).astype(np.int64)
    by_part, first = np.argsort(part, kind="stable"), np.bincount(part).cumsum()
    found = []
    for number in np.flatnonzero(sizes >= minimum):
        own = by_part[first[number - 1] if number else 0 : first[number]]
        found.append((int(sizes[number]), _spans(rows[own], starts[own], ends[own]), own))
    found.sort(key=lambda item: (-item[0], *item[1]))
    return [_region(size, spans, rows[own], starts[own], ends[own]) for size, spans, own in found[:most]]


Runs = NDArray[np.int64]
Spans = tuple[tuple[int, int], tuple[int, int]]


def _runs(cells: Cells) -> tuple[Runs, Runs, Runs]:
    """Row, first column and column after the last of each run, in reading order."""
    padded = np.zeros((cells.shape[0], cells.shape[1] + 2), np.int8)
    padded[:, 1:-1] = cells
    change = np.diff(padded, axis=1)
    rows, starts = np.nonzero(change == 1)
    ends = np.nonzero(change == -1)[1]
    return rows, starts, ends


def _touching(rows: Runs, starts: Runs, ends: Runs) -> tuple[Runs, Runs]:
    """Pairs of runs in neighbouring rows that touch, corners included: each run with those of the row above."""
    # One number line for all rows, with room between them, so that one search serves all.
    pitch = int(ends.max()) + 2
    first = np.searchsorted(rows * pitch + ends, (rows - 1) * pitch + starts, side="left")
    after = np.searchsorted(rows * pitch + starts, (rows - 1) * pitch + ends, side="right")
    count = np.maximum(after - first, 0)
    lower = np.repeat(np.arange(len(rows)), count)
    upper = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count) + np.repeat(first, count)
    return lower, upper


def _parts(count: int, lower: Runs, upper: Runs) -> Runs:
    """The number of each run's part: the first run's that hangs together with it, counted without gaps."""
    label = np.arange(count)
    while len(lower):
        least = np.minimum(label[lower], label[upper])
        before = label.copy()
        # The root of either end takes the smaller label; then every run takes its root's.
        np.minimum.at(label, before[lower], least)
        np.minimum.at(label, before[upper], least)
        while not np.array_equal(roots := label[label], label):
            label = roots
        apart = label[lower] != label[upper]
        lower, upper = lower[apart], upper[apart]
    numbers: Runs = np.unique(label, return_inverse=True)[1]
    return numbers


def _spans(rows: Runs, starts: Runs, ends: Runs) -> Spans:
    return (int(rows.min()), int(rows.max()) + 1), (int(starts.min()), int(ends.max()))


def _region(size: int, spans: Spans, rows: Runs, starts: Runs, ends: Runs) -> Region:
    (top, bottom), (left, right) = spans
    mask = np.zeros((bottom - top, right - left), dtype=np.bool_)
    for row, start, end in zip(rows - top, starts - left, ends - left, strict=True):
        mask[row, start:end] = True
    return Region(mask=mask, rows=spans[0], columns=spans[1], size=size)
