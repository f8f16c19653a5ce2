"""Reliability and ROC curves of an analyzer on a set, as a PNG."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evaluation.figures import Scored, auc, scored
from evaluation.intervals import of_share
from evaluation.judging import Judgement

BINS = 5
"""Fewer than the error is measured in: with so few pictures, more bars would show noise."""


def draw(name: str, judgements: Sequence[Judgement], folder: Path) -> Path | None:
    """Draw both for a set; None where it has only one class or no raw scores. name: `<analyzer>/<set>`."""
    some = scored(judgements)
    area = auc(some)
    if not np.isfinite(area):
        return None
    # Without pyplot, and so without a window system.
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    figure.suptitle(name)
    _roc(left, some, area)
    _reliability(right, some)
    path = folder / f"{name.replace('/', '__')}.png"
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    return path


def _roc(axes: Axes, some: Scored, area: float) -> None:
    given = np.isfinite(some.raws)
    raws, truths = some.raws[given], some.truths[given]
    thresholds = np.concatenate([[np.inf], np.unique(raws)[::-1]])
    alarms = [(raws[~truths] >= each).mean() for each in thresholds]
    recall = [(raws[truths] >= each).mean() for each in thresholds]
    axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
    axes.plot(alarms, recall, color="tab:blue", label=f"raw score, AUC {area:.3f}")
    alarm, hit = some.accused[~some.truths].mean(), some.accused[some.truths].mean()
    axes.plot([alarm], [hit], "o", color="tab:red", label=f"label: {hit:.0%} found, {alarm:.1%} false alarms")
    axes.set(xlabel="share of real pictures", ylabel="share of the others", title="ROC")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend(loc="lower right", fontsize=9)


def _reliability(axes: Axes, some: Scored) -> None:
    """Share of true claims for each range of scores, each class weighing a half, beside what the score promises."""
    given = np.isfinite(some.scores)
    scores, truths = some.scores[given], some.truths[given]
    axes.plot([0, 1], [0, 1], color="0.8", linewidth=1)
    positives, negatives = int(truths.sum()), int((~truths).sum())
    if positives and negatives:
        bins = np.minimum((scores * BINS).astype(int), BINS - 1)
        for index in np.unique(bins):
            inside = bins == index
            hits, n = int(truths[inside].sum()), int(inside.sum())
            interval = of_share(hits, n)
            middle, low, high = (
                _even(share, positives, negatives) for share in (hits / n, interval.low, interval.high)
            )
            x = float(scores[inside].mean())
            axes.errorbar([x], [middle], [[middle - low], [high - middle]], fmt="o", color="tab:blue", capsize=3)
            axes.annotate(str(n), (x, middle), textcoords="offset points", xytext=(6, 4), fontsize=8)
    title = f"Reliability: {given.sum()} of {len(given)} have a score"
    axes.set(xlabel="score", ylabel="share of true claims at even odds", title=title)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))


def _even(share: float, positives: int, negatives: int) -> float:
    """A share of true claims in this set, as it were with as many positives as negatives."""
    true, false = share / positives, (1 - share) / negatives
    return true / (true + false) if true + false else 0.0
