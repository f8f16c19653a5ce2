"""All measurements of a batch of pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from assay.inference.analyzers.jpeg_forensics.dct import BLOCK
from assay.inference.analyzers.jpeg_forensics.decoding import Picture
from assay.inference.analyzers.jpeg_forensics.double import fit, quantised, unclipped
from assay.inference.analyzers.jpeg_forensics.grids import GridAnalysis, find_grids, tally
from assay.inference.analyzers.jpeg_forensics.odd import DoubleAnalysis, find_odd
from assay.inference.analyzers.jpeg_forensics.shifted import Shifted, find_shifted
from assay.inference.analyzers.jpeg_forensics.votes import grid_votes

_ONES = (1,) * (BLOCK * BLOCK)


@dataclass(frozen=True, slots=True, eq=False)
class Examination:
    """What was measured in one picture; `double_grid` is where the grid of `double` starts (x, y).

    shifted: an earlier saving on another grid, of a JPEG.
    """

    grids: GridAnalysis
    double: DoubleAnalysis | None
    double_grid: tuple[int, int]
    shifted: Shifted | None = None


def examine(pictures: Sequence[Picture], device: torch.device) -> list[Examination]:
    """Measure pictures of one shape together. Equal results on every device, whatever else is in the batch."""
    luma = torch.from_numpy(_stacked([picture.luma for picture in pictures])).to(device)
    votes = grid_votes(luma)
    counted = tally(votes)
    on_cpu: NDArray[np.int8] = votes.cpu().numpy()
    found = [
        find_grids(picture_tally, picture_votes, 0 if picture.table else None)
        for picture, picture_tally, picture_votes in zip(pictures, counted, on_cpu, strict=True)
    ]
    return [
        Examination(
            grids=grids,
            double=double,
            double_grid=at,
            shifted=None if picture.table is None else find_shifted(picture.luma, picture.table),
        )
        for picture, grids, (double, at) in zip(pictures, found, _doubles(pictures, luma, found), strict=True)
    ]


def _doubles(
    pictures: Sequence[Picture], luma: torch.Tensor, found: Sequence[GridAnalysis]
) -> list[tuple[DoubleAnalysis | None, tuple[int, int]]]:
    """Double quantisation of each picture; those that share a grid go through the device together.

    A JPEG's second table is known and its grid starts at 0, 0. A picture in another format that once was a JPEG has its
    first compression on the grid that the votes found, and the rounding of pixels in place of a second table.
    """
    origins = [
        (0, 0) if picture.table else None if grids.main is None else (grids.main % BLOCK, grids.main // BLOCK)
        for picture, grids in zip(pictures, found, strict=True)
    ]
    result: list[tuple[DoubleAnalysis | None, tuple[int, int]]] = [(None, (0, 0))] * len(pictures)
    for origin in sorted({at for at in origins if at is not None}):
        members = [index for index, at in enumerate(origins) if at == origin]
        tables = [pictures[index].table or _ONES for index in members]
        steps = torch.tensor(tables, dtype=torch.float32, device=luma.device)
        part = (luma if len(members) == len(pictures) else luma[members])[:, origin[1] :, origin[0] :]
        size = luma.shape[2], luma.shape[1]
        usable = [unclipped(pictures[index].clipped, size, origin) for index in members]
        for index, table, coefficients in zip(members, tables, quantised(part, usable, steps), strict=True):
            result[index] = (find_odd(coefficients, fit(coefficients, table)), origin)
    return result


def _stacked(planes: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """All in one array; a single one is not copied."""
    return planes[0][None] if len(planes) == 1 else np.stack(planes)
