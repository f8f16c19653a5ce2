"""An earlier saving on another grid: the whole picture was a JPEG, was cropped, and was saved again.

On the grid of the first saving coefficients lie near multiples of its steps, blurred by the second saving; on all other
grids they do not. So for each grid, frequency and possible step it is measured how much the coefficients favour
multiples of the step, and the grid that stands out is the first one's. Votes for zeros (`votes.py`) cannot see it: the
last grid outvotes it everywhere.

Along the file's own grid lines its own steps show through a little. A grid that shares a coordinate with the file's
must therefore stand out much more, and by other steps.

Source: T. Bianchi, A. Piva, Detection of nonaligned double JPEG compression based on integer periodicity maps, IEEE
TIFS 7(2), 2012: there the Fourier transform of the mean's histogram, here single steps of ten frequencies, which gives
the table, too.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from assay.inference.analyzers.jpeg_forensics.dct import BLOCK, block_coefficients
from assay.inference.analyzers.jpeg_forensics.tables import likely_quality, quality_range

_FREQUENCIES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2), (0, 3), (3, 0))
_STEPS = np.arange(4, 61)  # finer ones drown in the rounding of pixels
_VALUES = 512
_SMALLEST = 3  # coefficients below it are near a multiple of everything
_BLOCKS = 4096  # looked at on each grid: enough for any picture, and the same time for all
_WAVES = np.cos(2.0 * np.pi * np.arange(_VALUES)[None, :] / _STEPS[:, None])
# Sums over the frequencies of standard scores, beyond the median grid's. Of pictures saved once no grid reached 10
# away from the file's own lines, and none 110 on them (README.md, Earlier savings).
_STANDS_OUT, _STANDS_OUT_ON_LINES = 25.0, 150.0
_OTHER_STEPS = 0.5  # share of the steps found that must not be the file's own, on its lines
_SPEAKS = 5.0  # standard score from which a frequency's step is believed
_FEWEST_STEPS = 3

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shifted:
    """An earlier saving on another grid.

    grid           x, y where its blocks start, 0..7
    strength       how far the grid stands out, in standard scores summed over the frequencies
    quality        the standard quality whose table is nearest to the steps found, None where too few were
    quality_range  lowest and highest quality that explain the steps nearly as well, and the share explained
    steps          how many were found
    """

    grid: tuple[int, int]
    strength: float
    quality: int | None
    quality_range: tuple[int, int, float]
    steps: int


def find_shifted(luma: NDArray[np.uint8], table: tuple[int, ...]) -> Shifted | None:
    """Look for the grid of an earlier saving in a JPEG.

    luma: uint8 (H, W), its stored luminance. table: its luminance table, row by row.
    """
    scores, steps = _scores(luma)
    total = scores.max(-1).sum(-1)
    strength = total - np.median(total)
    strength[0, 0] = 0.0
    y, x = (int(at) for at in np.unravel_index(int(strength.argmax()), strength.shape))
    found = {
        frequency: int(steps[y, x, k]) for k, frequency in enumerate(_FREQUENCIES) if scores[y, x, k].max() > _SPEAKS
    }
    own = sum(table[row * BLOCK + column] == step for (row, column), step in found.items())
    on_lines = x == 0 or y == 0
    if strength[y, x] < (_STANDS_OUT_ON_LINES if on_lines else _STANDS_OUT):
        return None
    if on_lines and own > _OTHER_STEPS * len(found):
        return None
    known = len(found) >= _FEWEST_STEPS
    return Shifted(
        grid=(x, y),
        strength=float(strength[y, x]),
        quality=likely_quality(found)[0] if known else None,
        quality_range=quality_range(found) if known else (1, 100, 0.0),
        steps=len(found),
    )


def _scores(luma: NDArray[np.uint8]) -> tuple[Floats, NDArray[np.int64]]:
    """Standard scores against the median grid, (8, 8, K, steps) by the grid's y and x; the best steps, (8, 8, K)."""
    counts = _histograms(luma)
    counts[..., :_SMALLEST] = 0.0
    sums = counts @ _WAVES.T
    scores = sums / np.sqrt(counts.sum(-1) / 2.0 + 1e-9)[..., None]
    scores -= np.median(scores.reshape(BLOCK * BLOCK, len(_FREQUENCIES), -1), axis=0)
    return scores, _STEPS[scores.argmax(-1)]


def _histograms(luma: NDArray[np.uint8]) -> Floats:
    """Of the rounded |coefficients| on each grid, (8, 8, K, _VALUES), in bands spread over the picture."""
    height, width = luma.shape
    columns = (width - BLOCK) // BLOCK
    possible = (height - BLOCK) // BLOCK
    tops = np.unique(np.linspace(0, possible - 1, max(1, min(possible, _BLOCKS // columns))).astype(int)) * BLOCK
    bands = np.stack([luma[top : top + 2 * BLOCK] for top in tops])
    frequencies = len(_FREQUENCIES)
    places = torch.arange(BLOCK * frequencies).reshape(BLOCK, frequencies, 1) * _VALUES
    counts = np.zeros((BLOCK, BLOCK, frequencies, _VALUES))
    for y in range(BLOCK):
        lines = bands[:, y : y + BLOCK]
        parts = np.stack([lines[..., x : x + columns * BLOCK].reshape(-1, columns * BLOCK) for x in range(BLOCK)])
        sizes = block_coefficients(torch.from_numpy(parts), _FREQUENCIES).abs_().round_().clamp_(max=_VALUES - 1)
        # One count for all: each grid and frequency has numbers of its own.
        numbers = (sizes.to(torch.int64).flatten(2) + places).flatten()
        counts[y] = torch.bincount(numbers, minlength=BLOCK * frequencies * _VALUES).reshape(counts[y].shape).numpy()
    return counts
