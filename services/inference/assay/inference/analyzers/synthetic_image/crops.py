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
_CELL_PIXELS = _CELL * _CELL // 2  # that are looked at


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
    sparse = band[::2, : columns * _CELL]
    left, right = sparse[:, :-1], sparse[:, 1:]
    across = np.zeros_like(sparse)
    np.minimum(np.maximum(left, right) - np.minimum(left, right), 24, out=across[:, :-1])
    # 0 to 2 and 253 to 255: in eight bits, what is less than 0 is large
    clipped = sparse - np.uint8(3) >= 250
    detail = _cell_sums(across, rows, columns) / _CELL_PIXELS
    free = 1.0 - _cell_sums(clipped, rows, columns) / _CELL_PIXELS
    return np.asarray(detail * (free > 0.6), dtype=np.float32)


def _cell_sums(values: NDArray[np.uint8] | NDArray[np.bool_], rows: int, columns: int) -> NDArray[np.int64]:
    down = values.reshape(rows, _CELL // 2, columns * _CELL).sum(axis=1, dtype=np.uint16)
    return np.asarray(down.reshape(rows, columns, _CELL).sum(axis=2), dtype=np.int64)


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
    while len(chosen) < count:
        row, column = (int(each) for each in np.unravel_index(int(sums.argmax()), sums.shape))
        if sums[row, column] < 0:
            break
        chosen.append((row * _CELL, column * _CELL))
        near = apart // _CELL - 1
        sums[max(0, row - near) : row + near + 1, max(0, column - near) : column + near + 1] = -np.inf
    return chosen
