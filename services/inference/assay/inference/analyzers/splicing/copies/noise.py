"""The finest detail of a picture, with its strength evened out: what two photographs of one thing do not share."""

import cv2
import numpy as np
from numpy.typing import NDArray

_FINE, _COARSE = 0.6, 1.6  # standard deviations in pixels of the two blurs whose difference is the band
_AROUND = 25  # side of the square over which strength is measured, in pixels
_FLOOR = 0.35  # levels: below it there is only rounding
_LOUDEST = 3.0
_LEAST_POWER = 0.04

Plane = NDArray[np.float32]


def detail(luma: NDArray[np.uint8]) -> Plane:
    """Fine detail in levels, float32 (H, W). The very finest is left out: JPEG keeps none of it."""
    levels = luma.astype(np.float32)
    return np.asarray(cv2.GaussianBlur(levels, (0, 0), _FINE) - cv2.GaussianBlur(levels, (0, 0), _COARSE))


def evened(fine: Plane) -> Plane:
    """The detail over its own strength nearby, so that no edge outweighs the rest; about 0 where there is none."""
    even = fine / np.maximum(strength(fine, _AROUND), _FLOOR)
    return np.asarray(np.clip(even, -_LOUDEST, _LOUDEST), dtype=np.float32)


def strength(fine: Plane, side: int) -> Plane:
    """Root mean square of the detail in the square of `side` pixels around each place, in levels."""
    return np.asarray(np.sqrt(np.maximum(cv2.blur(fine * fine, (side, side)), 0.0)))


def likeness(one: Plane, other: Plane, side: int) -> Plane:
    """Correlation -1..1 of two planes in the square of `side` pixels around each place."""
    square = (side, side)
    both = cv2.blur(one * other, square)
    power = cv2.blur(one * one, square) * cv2.blur(other * other, square)
    return np.asarray(both / np.sqrt(np.maximum(power, _LEAST_POWER)), dtype=np.float32)
