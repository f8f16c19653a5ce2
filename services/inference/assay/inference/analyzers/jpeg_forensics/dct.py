"""The 8 by 8 discrete cosine transform, the same to the last bit on every device.

Sums inside a matrix product or a convolution are ordered differently on a CPU and on a GPU, so coefficients near a
threshold would fall on different sides. Here the transform is a butterfly of separate additions and multiplications in
float32: IEEE 754 fixes the result of each, nothing is fused, and so CPU and CUDA agree exactly.

Source: Y. Arai, T. Agui, M. Nakajima, A fast DCT-SQ scheme for images, Trans. IEICE E71, 1988.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

BLOCK = 8

# What the butterfly's outputs are larger by than those of the orthonormal transform: sqrt(8) times these.
_GAINS = [1.0] + [math.sqrt(2) * math.cos(k * math.pi / 16) for k in range(1, BLOCK)]
_HALF = 0.7071067811865476
_C6 = 0.3826834323650898
_C2_MINUS_C6 = 0.5411961001461969
_C2_PLUS_C6 = 1.3065629648763766


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
