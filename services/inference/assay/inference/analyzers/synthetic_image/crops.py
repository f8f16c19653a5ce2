"""Which parts of a picture are looked at: squares at native resolution where there is texture.

Shrinking a picture blurs the traces that a generator leaves, and flat parts (sky, clipped white) hold none: so a few
squares of the picture as it is are taken, spread over it, those with the most detail first.
"""

import numpy as np
from numpy.typing import NDArray

SIDE = 128
"""Side of a crop in pixels."""

_CELL = 32
_BAND = 16


def detail_map(luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean absolute difference of neighbours in each cell of 32 x 32 pixels, 0 where a cell is mostly clipped.

    luma: uint8 (H, W), at least 32 each way. Returns float32 (H // 32, W // 32).
    """
    rows = luma.shape[0] // _CELL
    bands = [luma[first * _CELL : min(first + _BAND, rows) * _CELL] for first in range(0, rows, _BAND)]
    return np.concatenate([_details(band) for band in bands])


def _details(band: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The cells of a few rows of cells, so that little memory is taken beside the picture."""
    rows, columns = band.shape[0] // _CELL, band.shape[1] // _CELL
    # every second row is enough to rank cells and halves the work
    sparse = band[::2, : columns * _CELL].astype(np.int16)
    across = np.abs(np.diff(sparse, axis=1, append=sparse[:, -1:]))
    clipped = (sparse <= 2) | (sparse >= 253)
    cells = (rows, _CELL // 2, columns, _CELL)
    detail = np.minimum(across, 24).reshape(cells).mean(axis=(1, 3))
    free = 1.0 - clipped.reshape(cells).mean(axis=(1, 3))
    return np.asarray(detail * (free > 0.6), dtype=np.float32)


def choose(luma: NDArray[np.uint8], count: int, *, apart: int = SIDE // 2) -> list[tuple[int, int]]:
    """(top, left) of up to `count` squares, most detailed first.

    apart: two of them lie at least so many pixels apart, across or down. A picture smaller than a square in one
    direction has none. Deterministic.
    """
    height, width = luma.shape
    if height < SIDE or width < SIDE:
        return []
    detail = detail_map(luma)
    span = SIDE // _CELL
    sums = np.lib.stride_tricks.sliding_window_view(detail, (span, span)).mean(axis=(2, 3)).copy()
    chosen: list[tuple[int, int]] = []
    while len(chosen) < count and np.isfinite(sums).any():
        row, column = np.unravel_index(int(np.argmax(np.where(np.isfinite(sums), sums, -1.0))), sums.shape)
        if not np.isfinite(sums[row, column]):
            break
        chosen.append((int(row) * _CELL, int(column) * _CELL))
        near = apart // _CELL - 1
        sums[max(0, row - near) : row + near + 1, max(0, column - near) : column + near + 1] = -np.inf
    return chosen
