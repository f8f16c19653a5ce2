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
    kept = cells & (box_sum(cells.astype(np.float64), 1) > 3.5)
    return kept | (box_sum(kept.astype(np.float64), 1) > 4.5)


def connected(cells: Cells, minimum: int) -> list[Region]:
    """The eight-connected parts with at least `minimum` cells, largest first, in a fixed order."""
    left = cells.copy()
    found = []
    for row, column in np.argwhere(cells):
        if left[row, column]:
            region = _flood(left, int(row), int(column))
            if region.size >= minimum:
                found.append(region)
    return sorted(found, key=lambda region: (-region.size, region.rows, region.columns))


def _flood(left: Cells, row: int, column: int) -> Region:
    """Take the part around a cell out of `left`."""
    height, width = left.shape
    left[row, column] = False
    reached = [(row, column)]
    for y, x in reached:
        for near_y in range(max(y - 1, 0), min(y + 2, height)):
            for near_x in range(max(x - 1, 0), min(x + 2, width)):
                if left[near_y, near_x]:
                    left[near_y, near_x] = False
                    reached.append((near_y, near_x))
    ys, xs = np.array(reached).T
    mask = np.zeros((ys.max() - ys.min() + 1, xs.max() - xs.min() + 1), dtype=np.bool_)
    mask[ys - ys.min(), xs - xs.min()] = True
    return Region(
        mask=mask,
        rows=(int(ys.min()), int(ys.max()) + 1),
        columns=(int(xs.min()), int(xs.max()) + 1),
        size=len(reached),
    )
