"""The 8 by 8 discrete cosine transform, the same to the last bit on every device.

Sums inside a matrix product or a convolution are ordered differently on a CPU and on a GPU, so coefficients near a
threshold would fall on different sides. Here the transform is a butterfly of separate additions and multiplications in
float32: IEEE 754 fixes the result of each, nothing is fused, and so CPU and CUDA agree exactly.

Source: Y. Arai, T. Agui, M. Nakajima, A fast DCT-SQ scheme for images, Trans. IEICE E71, 1988.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BLOCK = 8

Planes = Sequence[NDArray[np.float32]] | NDArray[np.float32]

# What the butterfly's outputs are larger by than those of the orthonormal transform: sqrt(8) times these.
_GAINS = [1.0] + [math.sqrt(2) * math.cos(k * math.pi / 16) for k in range(1, BLOCK)]
_HALF = 0.7071067811865476
_C6 = 0.3826834323650898
_C2_MINUS_C6 = 0.5411961001461969
_C2_PLUS_C6 = 1.3065629648763766
_HALF_32, _C6_32, _C2_MINUS_C6_32, _C2_PLUS_C6_32 = np.array([_HALF, _C6, _C2_MINUS_C6, _C2_PLUS_C6], np.float32)


def gain(row: int, column: int) -> float:
    """How much larger `butterfly`, applied along both axes, makes this coefficient than the orthonormal transform."""
    return 8.0 * _GAINS[row] * _GAINS[column]


def butterfly(samples: Sequence[Tensor]) -> list[Tensor]:
    """Transform eight tensors of equal shape, float32, as the eight samples of many one-dimensional signals.

    Returns eight tensors, one for each frequency, scaled as `gain` says.
    """
    even = [samples[i] + samples[7 - i] for i in range(4)]
    odd = [samples[i] - samples[7 - i] for i in range(4)]

    outer, inner = even[0] + even[3], even[1] + even[2]
    spread = even[0] - even[3]
    turned = ((even[1] - even[2]) + spread) * _HALF

    low, middle, high = odd[3] + odd[2], (odd[2] + odd[1]) * _HALF, odd[1] + odd[0]
    shared = (low - high) * _C6
    low, high = low * _C2_MINUS_C6 + shared, high * _C2_PLUS_C6 + shared
    plus, minus = odd[0] + middle, odd[0] - middle

    return [
        outer + inner,
        plus + high,
        spread + turned,
        minus - low,
        outer - inner,
        minus + low,
        spread - turned,
        plus - high,
    ]


def butterfly_into(samples: Planes, found: Planes, spare: Planes) -> None:
    """The same as `butterfly`, to the last bit, without taking memory: for a CPU, where arrays stay in its cache.

    samples: eight arrays of equal shape. found: eight that take the result. spare: four. None overlaps another.
    """
    add, subtract, multiply = np.add, np.subtract, np.multiply
    even, odd = (found[0], found[4], found[2], found[6]), (found[1], found[3], found[5], found[7])
    for i in range(4):
        add(samples[i], samples[7 - i], even[i])
        subtract(samples[i], samples[7 - i], odd[i])

    turned, inner, spread, outer = spare
    subtract(even[1], even[2], turned)
    add(even[1], even[2], inner)
    subtract(even[0], even[3], spread)
    add(even[0], even[3], outer)
    add(turned, spread, turned)
    multiply(turned, _HALF_32, turned)
    add(outer, inner, found[0])
    subtract(outer, inner, found[4])
    add(spread, turned, found[2])
    subtract(spread, turned, found[6])

    low, middle, high, shared = spare
    add(odd[3], odd[2], low)
    add(odd[2], odd[1], middle)
    multiply(middle, _HALF_32, middle)
    add(odd[1], odd[0], high)
    subtract(low, high, shared)
    multiply(shared, _C6_32, shared)
    multiply(low, _C2_MINUS_C6_32, low)
    add(low, shared, low)
    multiply(high, _C2_PLUS_C6_32, high)
    add(high, shared, high)
    plus, minus = shared, middle  # what they held is used up
    add(odd[0], middle, plus)
    subtract(odd[0], middle, minus)
    add(plus, high, found[1])
    subtract(plus, high, found[7])
    subtract(minus, low, found[3])
    add(minus, low, found[5])


def block_coefficients(luma: Tensor, frequencies: Sequence[tuple[int, int]]) -> Tensor:
    """Transform every whole block of the grid that starts at the upper left corner.

    luma: (N, H, W), any number type, 0..255. frequencies: (row, column) of the coefficients that are wanted.
    Returns float32 (N, len(frequencies), H // 8, W // 8), orthonormal.
    """
    count, height, width = luma.shape
    rows, columns = height // BLOCK, width // BLOCK
    blocks = luma[:, : rows * BLOCK, : columns * BLOCK].reshape(count, rows, BLOCK, columns, BLOCK)
    levels = blocks.to(torch.float32) - 128.0
    vertical = butterfly([levels[:, :, i] for i in range(BLOCK)])
    wanted_rows = {row for row, _ in frequencies}
    both = {row: butterfly([vertical[row][..., i] for i in range(BLOCK)]) for row in wanted_rows}
    return torch.stack([both[row][column] * (1.0 / gain(row, column)) for row, column in frequencies], dim=1)
