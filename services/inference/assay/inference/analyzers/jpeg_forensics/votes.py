"""Which of the 64 possible JPEG grids each pixel votes for.

JPEG quantisation sets many coefficients of a block to zero. Seen from the grid on which a picture was compressed there
are more zeros than from the 63 others, so each pixel votes for the block over it with the most zeros; equal best blocks
and blocks that are constant along a side give no vote.

Source: T. Nikoukhah, J. Anger, M. Colom, J.-M. Morel, R. Grompone von Gioi, ZERO: a local JPEG grid origin detector
based on the number of DCT zeros and its applications in image forensics, Image Processing On Line 11, 2021,
https://doi.org/10.5201/ipol.2021.390, algorithms 1 and 2.
"""

import torch
from torch import Tensor

from assay.inference.analyzers.jpeg_forensics.dct import BLOCK
from assay.inference.analyzers.jpeg_forensics.zeros import BORDER, count_zeros

GRIDS = BLOCK * BLOCK
NO_VOTE = -1

_BAND = 1 << 20  # pixels whose zeros are held at a time on a CPU, at least 64 rows
_DEVICE_BAND = 1 << 25


def grid_votes(luma: Tensor) -> Tensor:
    """Let every pixel vote.

    luma: uint8 (N, H, W), H and W at least 16.
    Returns int8 (N, H, W): the grid `8 * row offset + column offset` of the winning block, or NO_VOTE; a border of
    seven pixels does not vote. Exact, and so equal on every device.
    """
    count, height, width = luma.shape
    votes = torch.full((count, height, width), NO_VOTE, dtype=torch.int8, device=luma.device)
    band = max(64, (_BAND if luma.device.type == "cpu" else _DEVICE_BAND) // width)
    for top in range(BORDER, height - BORDER, band):
        bottom = min(top + band, height - BORDER)
        # The blocks over these pixels start up to seven rows above them.
        under = luma[:, top - BORDER : bottom + BORDER]
        zeros = count_zeros(under) | _constant(under)
        votes[:, top:bottom, BORDER : width - BORDER] = _elect(zeros, top - BORDER)
    return votes


def _elect(zeros: Tensor, first_row: int) -> Tensor:
    """Give each pixel that lies under 64 blocks the grid of the single block with the most zeros.

    zeros: uint8 (N, rows + 7, columns + 7), the zeros of the block that starts at each pixel, plus 128 where it is
    constant along a side. first_row: the picture's row of the first one.
    Returns int8 (N, rows, columns).
    """
    rows = (torch.arange(zeros.shape[1], device=zeros.device) + first_row) % BLOCK
    columns = torch.arange(zeros.shape[2], device=zeros.device) % BLOCK
    grid = (rows[:, None] * BLOCK + columns[None, :]).to(torch.int16)
    constant = (zeros >> 7).to(torch.int16)
    amount = (zeros & 127).to(torch.int16) * (2 * GRIDS)
    # A window of 8 by 8 holds each grid once. Ties go to the highest grid in one key and to the lowest in the other.
    highest = _window_maximum(amount + grid * 2 + constant)
    lowest = _window_maximum(amount + (GRIDS - 1 - grid) * 2 + constant)
    winner = (highest >> 1) & (GRIDS - 1)
    single = winner == GRIDS - 1 - ((lowest >> 1) & (GRIDS - 1))
    return torch.where(single & (highest & 1 == 0), winner, NO_VOTE).to(torch.int8)


def _window_maximum(keys: Tensor) -> Tensor:
    """Largest value of each window of 8 by 8, by doubling."""
    for step in (1, 2, 4):
        keys = torch.maximum(keys[:, :-step], keys[:, step:])
    for step in (1, 2, 4):
        keys = torch.maximum(keys[:, :, :-step], keys[:, :, step:])
    return keys


def _constant(patch: Tensor) -> Tensor:
    """128 where a block's rows are all equal, or its columns; else 0."""
    rows_differ = patch[:, 1:] != patch[:, :-1]
    columns_differ = patch[:, :, 1:] != patch[:, :, :-1]
    changes = _window_any(rows_differ, BLOCK - 1, BLOCK) & _window_any(columns_differ, BLOCK, BLOCK - 1)
    return (~changes).to(torch.uint8) << 7


def _window_any(flags: Tensor, tall: int, wide: int) -> Tensor:
    """True where any flag of the window that starts here is set."""
    rows, columns = flags.shape[1] - tall + 1, flags.shape[2] - wide + 1
    found = flags[:, :rows]
    for i in range(1, tall):
        found = found | flags[:, i : i + rows]
    across = found[:, :, :columns]
    for i in range(1, wide):
        across = across | found[:, :, i : i + columns]
    return across
