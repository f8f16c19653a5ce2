"""Where in a picture the noise is unlike the rest."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.splicing.residual.comparator import Comparator
from assay.inference.analyzers.splicing.residual.windows import around, compare, sums, windows

Cells = NDArray[np.bool_]

_REACH = 1  # cells around each that are counted with it where the outline is drawn
_HEAT_SPREAD = 1.5  # log-odds
_SOFTENED = 0.8  # cells
_ALL_STILL = 0.995
_LEAST_READ = 0.5  # of a window's pixels
_NOTHING_READ = -20.0


@dataclass(frozen=True, slots=True, eq=False)
class Examination:
    """What was measured in one picture, in cells of `side` pixels.

    strength  log-odds of the strongest window, before calibration
    window    row, column and side of it
    heat      float32 (rows, columns), 0..1: how far the windows over each cell say that it does not belong
    mask      bool (rows, columns): the outline of what the strongest window lies on
    noisy     share of the patterns that show any noise: 0 where the picture is smooth or was smoothed everywhere
    """

    side: int
    strength: float
    window: tuple[int, int, int]
    heat: NDArray[np.float32]
    mask: Cells
    noisy: float


def examine(counts: NDArray[np.int32], side: int, comparator: Comparator) -> Examination:
    """Look through all windows. counts: (rows, columns, FIELDS, PATTERNS) of `traces.count_patterns`."""
    values = counts.astype(np.float64)
    rows, columns = counts.shape[:2]
    noisy = _noisy(values.sum((0, 1)))
    values[_plain(values)] = 0.0
    total = values.sum((0, 1))[None]
    places = windows(rows, columns)
    inside = sums(values, places)
    full = float(counts.sum((2, 3)).max()) * places[:, 2] ** 2
    read = inside.sum((1, 2)) >= np.maximum(_LEAST_READ * full, 1.0)
    odds = np.where(read, comparator.log_odds(compare(inside, total)), _NOTHING_READ)
    best = int(odds.argmax())
    top, left, width = (int(part) for part in places[best])
    return Examination(
        side=side,
        strength=round(float(odds[best]), 4),
        window=(top, left, width),
        heat=_heat(odds, places, rows, columns),
        mask=_outline(values, total, inside[best], (top, left, width), comparator),
        noisy=round(noisy, 4),
    )


def _plain(values: NDArray[np.float64]) -> Cells:
    """Cells without any noise, (rows, columns): drawn, such as the border of a screenshot, or clipped."""
    read = values.sum((2, 3))
    plain: Cells = values[:, :, :, _STILL].sum(2) >= _ALL_STILL * read
    return plain


def _noisy(total: NDArray[np.float64]) -> float:
    """The share of patterns other than the one without any residual."""
    read = float(total.sum())  # nothing where all is black or white
    return 1.0 - float(total[:, _STILL].sum()) / read if read else 0.0


_STILL = 24
"""The number of the pattern 1, 1, 1, 1: four residuals of nothing. Its smallest code is the largest of all kinds."""


def _heat(odds: NDArray[np.float64], places: NDArray[np.int64], rows: int, columns: int) -> NDArray[np.float32]:
    """The mean log-odds of the windows over each cell, those of small windows counting as much as large ones."""
    total, weight = np.zeros((rows, columns)), np.full((rows, columns), 1e-9)
    for (top, left, width), value in zip(places, odds, strict=True):
        part = np.s_[top : top + width, left : left + width]
        total[part] += value / width**2
        weight[part] += 1.0 / width**2
    heat: NDArray[np.float32] = (1.0 / (1.0 + np.exp(-total / weight / _HEAT_SPREAD))).astype(np.float32)
    return heat


def _outline(
    values: NDArray[np.float64],
    total: NDArray[np.float64],
    inside: NDArray[np.float64],
    window: tuple[int, int, int],
    comparator: Comparator,
) -> Cells:
    """The cells that are nearer to what the window holds than to the rest, and hang together with it."""
    rows, columns = values.shape[:2]
    odd = compare(inside[None], total).differences @ comparator.traces
    length = float((odd**2).sum())
    near = np.zeros((rows, columns), np.float32)
    for row, counts in around(values, _REACH):
        near[row] = (compare(counts, total).differences @ comparator.traces) @ odd[0] / max(length, 1e-9)
    near = np.asarray(cv2.GaussianBlur(near, (0, 0), _SOFTENED))
    top, left, width = window
    middle = np.zeros((rows, columns), np.uint8)
    middle[top : top + width, left : left + width] = 1
    # What is as odd as the window on the average of its better half is inside.
    level = 0.5 * float(np.median(near[middle > 0]))
    cells = cv2.morphologyEx((near > max(level, 0.15)).astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    _, labels = cv2.connectedComponents(cells, connectivity=4)
    shared = np.bincount(labels[(middle > 0) & (labels > 0)], minlength=2)
    return labels == int(shared.argmax()) if shared.any() else middle > 0
