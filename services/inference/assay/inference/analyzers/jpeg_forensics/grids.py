"""Regions that were compressed on another grid than the rest (ZERO's a-contrario test, and a test of ours).

ZERO's number of false alarms assumes that votes for a wrong grid fall evenly. In a picture that was compressed twice
as a whole, cropped in between, both grids win everywhere by turns, and the test alone would call that a forgery. So a
region counts only where its grid is absent outside of it: a whole picture's history is not local.

Sources: Nikoukhah et al. 2021 (see votes.py), algorithm 3; A. Desolneux, L. Moisan, J.-M. Morel, From Gestalt Theory to
Image Analysis, Springer 2008, for the a-contrario framework and the bound on the binomial tail (Hoeffding 1963).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.inference.analyzers.jpeg_forensics.dct import BLOCK
from assay.inference.analyzers.jpeg_forensics.regions import Region, connected, open_close
from assay.inference.analyzers.jpeg_forensics.votes import GRIDS, NO_VOTE

_CHANCE = 1.0 / GRIDS
_CELL_VOTES = 20  # of a cell's 64 pixels: fewer is what chance and texture give
_MINIMUM_CELLS = 12
_BAND = 8  # rows of cells counted at a time on a CPU: their counts stay in its cache
_DEVICE_BAND = 256


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Votes counted for each 8 by 8 cell. `total` has 64 counts; the maps are (H // 8, W // 8)."""

    total: NDArray[np.int64]
    leader: NDArray[np.int16]
    leader_votes: NDArray[np.int16]
    cast: NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class ForeignGrid:
    """A region whose pixels vote for a grid that the rest does not have.

    log10_nfa  logarithm of the number of such regions expected by chance in a picture of this size
    inside     share of the region's votes that its grid has;  outside: the same in the rest of the picture
    """

    grid: int
    region: Region
    log10_nfa: float
    inside: float
    outside: float


@dataclass(frozen=True, slots=True, eq=False)
class GridAnalysis:
    """main: the picture's grid 0..63 or None. `foreign`: the most significant first."""

    main: int | None
    main_log10_nfa: float
    foreign: list[ForeignGrid]


def tally(votes: Tensor) -> list[Tally]:
    """Count votes (N, H, W) on their device, in whole numbers; one tally for each picture."""
    return [_tally_one(picture) for picture in votes]


def _tally_one(votes: Tensor) -> Tally:
    rows, columns = votes.shape[0] // BLOCK, votes.shape[1] // BLOCK
    total = torch.zeros(GRIDS, dtype=torch.int64, device=votes.device)
    # Made beforehand: small results of each band between its large arrays would keep the memory of those from reuse.
    best, cast = (torch.empty((rows, columns), dtype=torch.int16, device=votes.device) for _ in range(2))
    band = _BAND if votes.device.type == "cpu" else _DEVICE_BAND
    for top in range(0, rows, band):
        tall = min(band, rows - top)
        cells = votes[top * BLOCK : (top + tall) * BLOCK, : columns * BLOCK].reshape(tall, BLOCK, columns, BLOCK)
        first = torch.arange(1, 1 + tall * columns * (GRIDS + 1), GRIDS + 1, dtype=torch.int32, device=votes.device)
        index = first.reshape(tall, 1, columns, 1) + cells
        counts = torch.bincount(index.flatten(), minlength=tall * columns * (GRIDS + 1))
        counts = counts.reshape(tall, columns, GRIDS + 1)[..., 1:]
        total += counts.sum((0, 1))  # the picture's border of incomplete cells does not vote
        best[top : top + tall] = (counts * GRIDS + torch.arange(GRIDS, device=votes.device)).amax(-1)
        cast[top : top + tall] = counts.sum(-1)
    leading = best.cpu().numpy()
    return Tally(
        total=total.cpu().numpy(), leader=leading % GRIDS, leader_votes=leading // GRIDS, cast=cast.cpu().numpy()
    )


def find_grids(counted: Tally, votes: NDArray[np.int8], file_grid: int | None) -> GridAnalysis:
    """Find the picture's grid and the regions with another one.

    file_grid: the grid that the file itself has (0 for a JPEG), which is everywhere by construction.
    """
    height, width = votes.shape
    log_tests = 2 * math.log10(GRIDS * height * width)
    main = int(counted.total.argmax())
    main_log10_nfa = log_tests + log10_tail(int(counted.total[main]) / GRIDS, height * width / GRIDS)
    if main_log10_nfa >= 0.0:
        return GridAnalysis(main=None, main_log10_nfa=main_log10_nfa, foreign=[])
    foreign = []
    sure = np.where(counted.leader_votes >= _CELL_VOTES, counted.leader, NO_VOTE)
    cells = np.bincount(sure.ravel() + 1, minlength=GRIDS + 1)[1:]
    for grid in np.flatnonzero(cells >= _MINIMUM_CELLS):
        if grid not in (main, file_grid):
            for region in connected(open_close(sure == grid), _MINIMUM_CELLS, 3):
                foreign.append(_measure(int(grid), region, counted, votes, log_tests))
    foreign.sort(key=lambda found: found.log10_nfa)
    return GridAnalysis(main=main, main_log10_nfa=main_log10_nfa, foreign=[f for f in foreign if f.log10_nfa < 0.0])


def _measure(grid: int, region: Region, counted: Tally, votes: NDArray[np.int8], log_tests: float) -> ForeignGrid:
    (top, bottom), (left, right) = region.rows, region.columns
    part = votes[top * BLOCK : bottom * BLOCK, left * BLOCK : right * BLOCK]
    own = int(np.count_nonzero(part == grid))
    cast = int(np.count_nonzero(part != NO_VOTE))
    cast_outside = int(counted.cast.sum(dtype=np.int64)) - cast
    return ForeignGrid(
        grid=grid,
        region=region,
        log10_nfa=log_tests + log10_tail(own / GRIDS, part.size / GRIDS),
        inside=own / max(cast, 1),
        outside=(int(counted.total[grid]) - own) / max(cast_outside, 1),
    )


def log10_tail(successes: float, trials: float, chance: float = _CHANCE) -> float:
    """Hoeffding's upper bound on log10 P(at least `successes` of `trials`), each with probability `chance`.

    The true tail is smaller: a number of false alarms that is computed from it errs to the side of silence.
    """
    share = successes / trials if trials else 0.0
    if share <= chance:
        return 0.0
    if share >= 1.0:
        return trials * math.log10(chance)
    gain = share * math.log(share / chance) + (1.0 - share) * math.log((1.0 - share) / (1.0 - chance))
    return -trials * gain / math.log(10.0)
