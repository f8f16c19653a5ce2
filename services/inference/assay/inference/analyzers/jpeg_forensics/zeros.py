"""Zeros among the coefficients of the block that starts at each pixel: what the votes for grids are made of.

There are two ways that give the same to the last bit. A GPU takes large tiles in single operations. A CPU takes runs of
pixels that stay in its cache: a picture's rows lie one behind the other, so the block at a pixel is the same sixty-four
distances away from it everywhere, and a run may begin and end in the middle of a row. Where it wraps around the right
edge the counts mean nothing; nobody looks at them. That is more than twice as fast as tiles.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.inference.analyzers.jpeg_forensics.dct import BLOCK, butterfly, butterfly_into, gain

BORDER = BLOCK - 1

_ZERO_BELOW = 0.5
_RUN = 16_384  # pixels
_TILE = (2048, 2048)

Pixels = NDArray[np.uint8]


def count_zeros(luma: Tensor) -> Tensor:
    """Zeros among the 63 AC coefficients of the block at each pixel.

    luma: uint8 (N, H, W). Returns uint8 (N, H - 7, W - 7).
    """
    if luma.device.type == "cpu":
        return torch.stack([torch.from_numpy(by_runs(picture)) for picture in luma.numpy()])
    return by_tiles(luma)


def by_runs(luma: Pixels) -> Pixels:
    """The way of a CPU. luma: (H, W). Returns (H - 7, W - 7)."""
    height, width = luma.shape
    pixels = np.ascontiguousarray(luma).reshape(-1)
    zeros = np.zeros((height - BORDER) * width, np.uint8)
    levels, vertical = (np.empty((BLOCK, _RUN + BORDER), np.float32) for _ in range(2))
    wide_spare, spare = np.empty((4, _RUN + BORDER), np.float32), np.empty((4, _RUN), np.float32)
    found, small = np.empty((BLOCK, _RUN), np.float32), np.empty(_RUN, np.bool_)
    limits = [[np.float32(_ZERO_BELOW * gain(row, column)) for column in range(BLOCK)] for row in range(BLOCK)]
    last = zeros.size - BORDER
    for start in range(0, last, _RUN):
        size = min(_RUN, last - start)
        for row in range(BLOCK):
            under = start + row * width
            np.subtract(pixels[under : under + size + BORDER], np.float32(128), levels[row, : size + BORDER])
        butterfly_into(levels[:, : size + BORDER], vertical[:, : size + BORDER], wide_spare[:, : size + BORDER])
        run, at_zero, coefficients = zeros[start : start + size], small[:size], found[:, :size]
        for row in range(BLOCK):
            shifted = [vertical[row, column : column + size] for column in range(BLOCK)]
            butterfly_into(shifted, coefficients, spare[:, :size])
            for column in range(BLOCK):
                if row or column:
                    size_of = coefficients[column]
                    np.absolute(size_of, size_of)
                    np.less(size_of, limits[row][column], at_zero)
                    np.add(run, at_zero.view(np.uint8), run)
    return zeros.reshape(-1, width)[:, : width - BORDER]


def by_tiles(luma: Tensor) -> Tensor:
    """The way of a GPU. luma: uint8 (N, H, W). Returns uint8 (N, H - 7, W - 7)."""
    count, height, width = luma.shape
    zeros = torch.empty((count, height - BORDER, width - BORDER), dtype=torch.uint8, device=luma.device)
    for top, left, tall, wide in _tiles(height - BORDER, width - BORDER):
        patch = luma[:, top : top + tall + BORDER, left : left + wide + BORDER]
        zeros[:, top : top + tall, left : left + wide] = _tile_zeros(patch)
    return zeros


def _tiles(height: int, width: int) -> Iterator[tuple[int, int, int, int]]:
    tall, wide = _TILE
    for top in range(0, height, tall):
        for left in range(0, width, wide):
            yield top, left, min(tall, height - top), min(wide, width - left)


def _tile_zeros(patch: Tensor) -> Tensor:
    tall, wide = patch.shape[1] - BORDER, patch.shape[2] - BORDER
    levels = patch.to(torch.float32) - 128.0
    zeros = torch.zeros((patch.shape[0], tall, wide), dtype=torch.uint8, device=patch.device)
    for row, vertical in enumerate(butterfly([levels[:, i : i + tall] for i in range(BLOCK)])):
        for column, values in enumerate(butterfly([vertical[:, :, i : i + wide] for i in range(BLOCK)])):
            if row or column:
                zeros += (values.abs_() < _ZERO_BELOW * gain(row, column)).view(torch.uint8)
    return zeros
