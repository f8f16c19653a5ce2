"""Parts that appear again unturned, smooth ones too: the residual noise correlates with itself at their distance.

A copied part brings its noise along, so the autocorrelation of the noise has a peak at the shift between the two, as
high as the part is large. Repeated objects have noise of their own at each place and give none.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

MOST_SHIFTS = 3

_LEAST_SHIFT = 16
_LEAST_PEAK = 7.0  # standard deviations
_NEIGHBOURHOOD = 3


@dataclass(frozen=True, slots=True)
class Shift:
    """x, y: pixels from the one part to the other, modulo the picture's width and height. peak: standard deviations."""

    x: int
    y: int
    peak: float


def shifts(noise: NDArray[np.float32]) -> list[Shift]:
    """Shifts at which the noise (H, W) of a picture repeats, the highest peak first, at most MOST_SHIFTS."""
    height, width = noise.shape
    spectrum = np.fft.rfft2(noise)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    # Texture colours the spectrum; over its own average nearby the ripple of a copy remains, and its peak is sharp.
    power /= _smooth(power) + 1e-6
    correlation = np.fft.irfft2(power, s=noise.shape).astype(np.float32)[: height // 2 + 1]
    correlation[:_LEAST_SHIFT, :_LEAST_SHIFT] = 0.0
    correlation[:_LEAST_SHIFT, width - _LEAST_SHIFT :] = 0.0
    # What a row or column has everywhere comes from straight edges and from the JPEG grid.
    correlation -= np.median(correlation, axis=1, keepdims=True)
    spread = 1.4826 * float(np.median(np.abs(correlation))) + 1e-12
    found: list[Shift] = []
    for _ in range(MOST_SHIFTS):
        y, x = (int(part) for part in np.unravel_index(int(correlation.argmax()), correlation.shape))
        peak = float(correlation[y, x]) / spread
        if peak < _LEAST_PEAK:
            break
        found.append(Shift(x=x, y=y, peak=round(peak, 1)))
        near = _NEIGHBOURHOOD
        correlation[max(y - near, 0) : y + near + 1, max(x - near, 0) : x + near + 1] = 0.0
    return found


def _smooth(power: NDArray[np.float32]) -> NDArray[np.float32]:
    side = max(9, min(power.shape) // 16 | 1)
    return np.asarray(cv2.blur(power, (side, side)), dtype=np.float32)
