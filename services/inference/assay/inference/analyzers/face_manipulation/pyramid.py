"""A picture at several sizes, cut into windows that a detector of fixed input looks at.

A detector of 320 by 240 pixels finds faces from about 16 to 200 pixels high. So the picture is shown at several sizes,
each a good factor smaller than the one before, down to one where it does not fill a window: every face from
MINIMUM_FACE pixels on, up to one that fills the picture, has a size at which it is easy to see.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MINIMUM_FACE = 64
"""Pixels of the examined picture that a face is wide and high at least to be judged."""

WINDOW = (320, 240)
"""Width and height of a window, in pixels: what the detector looks at."""

_SEEN_FACE = 18  # pixels that the smallest face has in the largest level
_STEP = 2.5  # from one level to the next
_OVERLAP = 0.3  # of a window with the next: faces up to that size lie whole in one
_SMALLEST = (0.6, 0.4)  # share of the window that the picture fills in the last levels: close-ups without surroundings
_LARGEST_SCALE = 2.0  # small pictures are enlarged so much at most
_FILLED = 127  # gray outside the picture

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """What a detector sees. A point (x, y) of it lies at (left + x / scale, top + y / scale) in the picture."""

    pixels: Pixels
    left: float
    top: float
    scale: float


def levels(width: int, height: int, window: tuple[int, int]) -> list[float]:
    """The scales at which a picture is shown in windows of (width, height), largest first."""
    fit = min(window[0] / width, window[1] / height)
    largest = min(max(_SEEN_FACE / MINIMUM_FACE, fit), _LARGEST_SCALE)
    scales = [largest]
    while scales[-1] > fit * 1.01:
        scales.append(max(scales[-1] / _STEP, fit))
    return [*scales, *(fit * share for share in _SMALLEST)]


def windows(pixels: Pixels, window: tuple[int, int]) -> Iterator[Window]:
    """Every window of every level. pixels: uint8 (H, W, 3); window: (width, height) of what is yielded."""
    height, width = pixels.shape[:2]
    image = Image.fromarray(pixels)
    for scale in levels(width, height, window):
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        level = np.asarray(image)
        across, down = size[0] / width, size[1] / height
        for top in _starts(size[1], window[1]):
            for left in _starts(size[0], window[0]):
                part = level[top : top + window[1], left : left + window[0]]
                shown, (before, above) = _centred(part, window)
                yield Window(shown, (left - before) / across, (top - above) / down, (across + down) / 2.0)


def square(pixels: Pixels, centre: tuple[float, float], side: float, seen: int, *, gray: bool = False) -> Window:
    """A square of the picture, `side` pixels wide, as `seen` by `seen` pixels.

    pixels: uint8 (H, W, 3).  centre: (x, y).  gray: what lies outside the picture is gray; else its edge goes on there.
    """
    height, width = pixels.shape[:2]
    whole = max(2, round(side))
    left, top = round(centre[0] - whole / 2.0), round(centre[1] - whole / 2.0)
    part = pixels[max(top, 0) : max(top + whole, 0), max(left, 0) : max(left + whole, 0)]
    around = (
        (min(max(-top, 0), whole), max(top + whole - height, 0)),
        (min(max(-left, 0), whole), max(left + whole - width, 0)),
        (0, 0),
    )
    if np.any(around):
        part = np.pad(part, around, "constant", constant_values=_FILLED) if gray else np.pad(part, around, "edge")
    image = Image.fromarray(np.ascontiguousarray(part))
    shown = image.resize((seen, seen), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return Window(np.asarray(shown), left, top, seen / whole)


def _starts(length: int, window: int) -> list[int]:
    """Where windows start so that they cover a length with overlap, evenly."""
    if length <= window:
        return [0]
    count = int(np.ceil((length - window) / (window * (1.0 - _OVERLAP)))) + 1
    return [round(start) for start in np.linspace(0, length - window, count)]


def _centred(part: Pixels, window: tuple[int, int]) -> tuple[Pixels, tuple[int, int]]:
    """A part in the middle of a gray window, and how many pixels are left of it and above it."""
    across, down = window[0] - part.shape[1], window[1] - part.shape[0]
    if not across and not down:
        return part, (0, 0)
    left, top = across // 2, down // 2
    shown = np.full((window[1], window[0], 3), _FILLED, np.uint8)
    shown[top : top + part.shape[0], left : left + part.shape[1]] = part
    return shown, (left, top)
