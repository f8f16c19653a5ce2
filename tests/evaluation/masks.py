"""How well a predicted mask agrees with the true one, and a score with the truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Agreement:
    """Intersection over union, F1 and Matthews' correlation, pixel by pixel."""

    iou: float
    f1: float
    mcc: float


def agreement(predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> Agreement:
    """Compare two masks of one shape. Nothing predicted gives 0 in all three."""
    both = float((predicted & true).sum())
    extra = float((predicted & ~true).sum())
    missed = float((~predicted & true).sum())
    neither = float((~predicted & ~true).sum())
    root = np.sqrt((both + extra) * (both + missed) * (neither + extra) * (neither + missed))
    return Agreement(
        iou=both / max(both + extra + missed, 1.0),
        f1=2.0 * both / max(2.0 * both + extra + missed, 1.0),
        mcc=(both * neither - extra * missed) / root if root else 0.0,
    )


def mean(agreements: Sequence[Agreement]) -> Agreement:
    """The mean of each figure."""
    figures = np.array([[found.iou, found.f1, found.mcc] for found in agreements]).mean(0)
    return Agreement(*(float(figure) for figure in figures))


def area_under_curve(negatives: Sequence[float], positives: Sequence[float]) -> float:
    """Probability that a positive scores above a negative; ties count half."""
    low, high = np.sort(np.asarray(negatives)), np.asarray(positives)
    below, up_to = np.searchsorted(low, high, "left"), np.searchsorted(low, high, "right")
    return float((below + up_to).mean() / 2.0 / len(low))
