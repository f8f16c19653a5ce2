"""Figures: area under the curve, and what is caught at a share of false alarms."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Probability that a made picture scores above a taken one; ties count half."""
    values, marks = np.asarray(scores, dtype=np.float64), np.asarray(labels) > 0.5
    order = np.argsort(values, kind="stable")
    ranks = np.empty(len(values))
    ranks[order] = np.arange(1, len(values) + 1)
    _, same = np.unique(values, return_inverse=True)
    ranks = (np.bincount(same, ranks) / np.bincount(same))[same]
    made, taken = int(marks.sum()), int((~marks).sum())
    return float((ranks[marks].sum() - made * (made + 1) / 2) / (made * taken))


def recall_at(scores: ArrayLike, labels: ArrayLike, false_alarms: float = 0.01) -> float:
    """Share of made pictures above the score that this share of taken ones exceeds."""
    values, marks = np.asarray(scores, dtype=np.float64), np.asarray(labels) > 0.5
    taken = np.sort(values[~marks])
    threshold = taken[min(len(taken) - 1, int(np.ceil((1 - false_alarms) * len(taken))))]
    return float((values[marks] > threshold).mean())


def by_picture(
    scores: NDArray[np.float32], rows: Sequence[dict[str, str]]
) -> tuple[NDArray[np.float64], list[dict[str, str]]]:
    """Mean score of each picture's crops, and one row of each."""
    gathered: dict[str, list[float]] = defaultdict(list)
    first: dict[str, dict[str, str]] = {}
    for score, row in zip(scores, rows, strict=True):
        gathered[row["sha256"]].append(float(score))
        first.setdefault(row["sha256"], row)
    return np.array([np.mean(gathered[sha256]) for sha256 in first]), list(first.values())
