"""Was a picture enlarged? Then what lies between neighbouring pixels comes from interpolation, not from a camera.

Interpolated pixels are as smooth as their distance from the old ones lets them be, and that distance comes again and
again: the mean second difference of rows and of columns goes up and down with the period of the enlargement, which is
the same in both directions.

Source: A. C. Gallagher, "Detection of linear and cubic interpolation in JPEG compressed images", CRV 2005. Ours: only
frequencies that stand out in both directions count, and those of the blocks of 8 pixels of JPEG do not.
"""

import numpy as np
from numpy.typing import NDArray

ENLARGED_FROM = 7.0
"""Periodicity that is told of. What it does on photos is measured in the README.md of `splicing`."""

_LONGEST = 1024
_BANDS, _BAND = 6, 64
_LOUD = 24  # levels: edges would drown everything else
_AROUND = 9
_LOWEST = 0.1
_FREQUENCIES = np.linspace(_LOWEST, 0.5, 801)
_BLOCK = 8
_BLOCK_REACH = 4  # lines of the spectrum beside those of the blocks

Values = NDArray[np.float64]


def periodicity(luma: NDArray[np.uint8]) -> float:
    """How far the most prominent period stands out, in medians of the spectrum: 2 to 6 where nothing was enlarged.

    luma: uint8 (H, W), without borders; only its middle is read. 0 for pictures under 128 pixels a side. Enlarging by
    4/3, 8/5, 2, 8/3 or 4 does not show (its period is that of JPEG's blocks), nor does enlarging by little before
    strong compression; shrinking by little may.
    """
    height, width = (min(side, _LONGEST) for side in luma.shape)
    if min(height, width) < 2 * _BAND:
        return 0.0
    top, left = (luma.shape[0] - height) // 2, (luma.shape[1] - width) // 2
    middle = luma[top : top + height, left : left + width]
    both = np.minimum(_standing_out(middle), _standing_out(middle.T))
    from_blocks = np.abs(_FREQUENCIES * _BLOCK - np.rint(_FREQUENCIES * _BLOCK)) / _BLOCK
    return float(both[from_blocks > _BLOCK_REACH / min(height, width)].max(initial=0.0))


def _standing_out(pixels: NDArray[np.uint8]) -> Values:
    """The spectrum, along rows, of how rough columns are, over its median; at _FREQUENCIES."""
    rough = np.log(_roughness(pixels) + 0.05)
    even = np.convolve(np.pad(rough, _AROUND // 2, mode="reflect"), np.full(_AROUND, 1 / _AROUND), "valid")
    spectrum = np.abs(np.fft.rfft((rough - even) * np.hanning(len(rough))))
    frequencies = np.arange(len(spectrum)) / len(rough)
    spectrum /= np.median(spectrum[frequencies > _LOWEST]) + 1e-6
    # sides of different length: their lines lie beside one another
    widened = np.max([spectrum, np.roll(spectrum, 1), np.roll(spectrum, -1)], axis=0)
    at_each: Values = np.interp(_FREQUENCIES, frequencies, widened)
    return at_each


def _roughness(pixels: NDArray[np.uint8]) -> Values:
    """Mean absolute second difference of each column but the outer two, over a few bands of rows."""
    starts = np.unique(np.linspace(0, len(pixels) - _BAND, _BANDS).astype(int))
    total = np.zeros(pixels.shape[1] - 2)
    for start in starts:
        band = pixels[start : start + _BAND].astype(np.int16)
        second = np.abs(band[:, :-2] - 2 * band[:, 1:-1] + band[:, 2:])
        total += np.minimum(second, _LOUD).sum(0)
    return total / (len(starts) * _BAND)
