"""What is measured of every analyzer on every set. `docs/evaluation.md` says what each figure means.

Scores order pictures (`auc`, `average_precision`, `recall_at_1pct`), labels accuse them (`false_alarms`, `recall`,
`balanced_accuracy`): the label is the operating point. An inconclusive verdict accuses nobody and still has a raw
score, which counts wherever scores order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.sdk import INCONCLUSIVE, NOT_APPLICABLE
from evaluation.intervals import DRAWS, Interval, drawn, draws, of_share
from evaluation.judging import Judgement
from evaluation.rows import Row, row

ACCUSING = frozenset({"manipulated", "synthetic"})
"""Labels that say that a picture is not what it seems."""

SILENT = frozenset({INCONCLUSIVE, NOT_APPLICABLE, "failed"})

HIGHER, LOWER = "at least", "at most"
DIRECTIONS = {
    "auc": HIGHER,
    "average_precision": HIGHER,
    "balanced_accuracy": HIGHER,
    "recall": HIGHER,
    "recall_at_1pct": HIGHER,
    "false_alarms": LOWER,
    "ece": LOWER,
    "coverage": HIGHER,
    "iou": HIGHER,
    "f1": HIGHER,
    "mcc": HIGHER,
    "label_agreement": HIGHER,
    "state_agreement": HIGHER,
    "findings": LOWER,
    "marks": LOWER,
    "manipulated": LOWER,
    "own": LOWER,
    "other": HIGHER,
    "watermarks": HIGHER,
    "failed": LOWER,
    "auc_gain": HIGHER,
    "training_duplicates": LOWER,
    "training_without_fingerprint": LOWER,
}
"""Which way a figure is better; one that is not named here is only told."""


def direction_of(name: str) -> str | None:
    """Whether more of a figure is better; None where neither is. name: of the row.

    A name of four parts is a cell of a table, `<analyzer>/<table>/<line>/<column>`: the table says it for all.
    """
    parts = name.split("/")
    return DIRECTIONS.get(parts[1] if len(parts) == 4 else parts[-1])


BINS = 10
FALSE_ALARMS = 0.01

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Judgements as arrays of one length.

    truths, accused, decided   is the claim true; does the label accuse; does it say anything
    raws, scores               NaN where there is none
    """

    truths: Truths
    accused: Truths
    decided: Truths
    raws: Floats
    scores: Floats

    def take(self, indices: NDArray[np.int64]) -> "Scored":
        return Scored(
            self.truths[indices],
            self.accused[indices],
            self.decided[indices],
            self.raws[indices],
            self.scores[indices],
        )


def scored(judgements: Sequence[Judgement]) -> Scored:
    """The arrays of some judgements, in order."""
    nan = float("nan")
    return Scored(
        truths=np.array([each.picture.truth for each in judgements], dtype=np.bool_),
        accused=np.array([is_accused(each) for each in judgements], dtype=np.bool_),
        decided=np.array([each.label not in SILENT for each in judgements], dtype=np.bool_),
        raws=np.array([each.raw if _counts(each) and each.raw is not None else nan for each in judgements]),
        scores=np.array([each.score if _counts(each) and each.score is not None else nan for each in judgements]),
    )


def is_accused(judgement: Judgement) -> bool:
    """True where the label says that the picture is not what it seems, of the claim that counts."""
    return judgement.label in ACCUSING and _counts(judgement)


def _counts(judgement: Judgement) -> bool:
    """True for a verdict on the claim that the truth is about."""
    claim = judgement.picture.claim
    return claim is None or (judgement.verdict is not None and judgement.verdict.claim == claim)


def auc(some: Scored) -> float:
    """Probability that a positive's raw score lies above a negative's; ties count half. NaN without both."""
    return area(*_by_class(some))


def area(low: Floats, high: Floats) -> float:
    """Probability that one of `high` lies above one of `low`; ties count half. NaN where either is empty."""
    if not len(low) or not len(high):
        return float("nan")
    low = np.sort(low)
    below, up_to = np.searchsorted(low, high, "left"), np.searchsorted(low, high, "right")
    return float((below + up_to).mean() / 2 / len(low))


def average_precision(some: Scored) -> float:
    """Precision at each threshold, weighted by the recall that it adds, both classes weighing the same.

    Equal weights make sets of different shares of positives comparable; by chance it is 0.5. NaN without both classes.
    """
    low, high = _by_class(some)
    if not len(low) or not len(high):
        return float("nan")
    thresholds = np.unique(high)[::-1]
    recall = (len(high) - np.searchsorted(np.sort(high), thresholds, "left")) / len(high)
    alarms = (len(low) - np.searchsorted(np.sort(low), thresholds, "left")) / len(low)
    return float(np.sum(np.diff(recall, prepend=0.0) * recall / (recall + alarms)))


def recall_at_1pct(some: Scored) -> float:
    """The largest share of positives above a raw score that at most 1 % of the negatives reach."""
    low, high = _by_class(some)
    if not len(low) or not len(high):
        return float("nan")
    allowed = int(FALSE_ALARMS * len(low))
    threshold = np.sort(low)[::-1][allowed]
    return float((high > threshold).mean())


def balanced_accuracy(some: Scored) -> float:
    """Mean of the share of positives that are accused and the share of negatives that are not: 0.5 for abstaining."""
    if some.truths.all() or not some.truths.any():
        return float("nan")
    return float((some.accused[some.truths].mean() + 1 - some.accused[~some.truths].mean()) / 2)


def ece(some: Scored) -> float:
    """Expected calibration error of the scores that were given, at even prior odds (Naeini et al., AAAI 2015).

    Ten bins of equal width; each class weighs a half, as the scores promise. NaN without both classes.
    """
    given = np.isfinite(some.scores)
    truths, scores = some.truths[given], some.scores[given]
    if not truths.any() or truths.all():
        return float("nan")
    weights = np.where(truths, 0.5 / truths.sum(), 0.5 / (~truths).sum())
    return weighted_ece(truths, scores, weights)


def weighted_ece(truths: Truths, scores: Floats, weights: Floats) -> float:
    """Mean distance of score and truth over the bins. weights: of the pictures, with the sum 1."""
    bins = bins_of(scores)
    apart = np.bincount(bins, weights * (scores - truths), minlength=BINS)
    return float(np.abs(apart).sum())


def bins_of(scores: Floats) -> NDArray[np.int64]:
    return np.minimum((scores * BINS).astype(np.int64), BINS - 1)


ORDERING: dict[str, tuple[Callable[[Scored], float], str]] = {
    "auc": (auc, "area"),
    "average_precision": (average_precision, "precision"),
    "balanced_accuracy": (balanced_accuracy, "share"),
    "recall_at_1pct": (recall_at_1pct, "share"),
    "ece": (ece, "distance"),
}


def rows_of(name: str, judgements: Sequence[Judgement], *, only: Sequence[str] = (), count: int = 0) -> list[Row]:
    """All figures of a set of judgements. name: `<analyzer>/<set>`.  only: names of figures; empty: all.

    count: how often pictures are drawn again for the intervals; 0: `DRAWS`.
    """
    some = scored(judgements)
    rows = [_share_row(name, figure, *counted) for figure, counted in _shares(some).items() if counted[1]]
    if some.truths.any() and not some.truths.all():
        rows = [*_drawn_rows(name, some, [each.picture.source for each in judgements], only, count), *rows]
    return [each for each in rows if not only or each["name"].rsplit("/", 1)[1] in only]


def _shares(some: Scored) -> dict[str, tuple[int, int]]:
    """What is counted: hits, of how many."""
    return {
        "recall": (int(some.accused[some.truths].sum()), int(some.truths.sum())),
        "false_alarms": (int(some.accused[~some.truths].sum()), int((~some.truths).sum())),
        "coverage": (int(some.decided.sum()), len(some.decided)),
    }


def _share_row(name: str, figure: str, hits: int, n: int) -> Row:
    return row(f"{name}/{figure}", hits / n, "share", n=n, interval=of_share(hits, n))


def _drawn_rows(name: str, some: Scored, sources: Sequence[str], only: Sequence[str], count: int) -> list[Row]:
    chosen = {figure: each for figure, each in ORDERING.items() if not only or figure in only}
    values: dict[str, list[float]] = {figure: [] for figure in chosen}
    for indices in draws(some.truths, sources, seed=name, count=count or DRAWS):
        part = some.take(indices)
        for figure, (measure, _) in chosen.items():
            values[figure].append(measure(part))
    rows = []
    for figure, (measure, unit) in chosen.items():
        value = measure(some)
        if np.isfinite(value):
            n = _counted(figure, some)
            interval = _honest(figure, value, drawn(values[figure]), some)
            baseline = ece_by_chance(some, name) if figure == "ece" else None
            rows.append(row(f"{name}/{figure}", value, unit, n=n, interval=interval, baseline=baseline))
    return rows


def _counted(figure: str, some: Scored) -> int:
    """How many pictures have what a figure is made of."""
    if figure == "balanced_accuracy":
        return len(some.truths)
    return int(np.isfinite(some.scores if figure == "ece" else some.raws).sum())


def _honest(figure: str, value: float, interval: Interval | None, some: Scored) -> Interval | None:
    """Where all are right no draw finds a wrong one: then as far as the smaller class can tell, counted exactly."""
    if figure == "ece" or interval is None or interval.high - interval.low > 1e-9:
        return interval
    n = int(min(some.truths.sum(), (~some.truths).sum()))
    exact = of_share(round(value * n), n)
    return Interval(min(exact.low, interval.low), max(exact.high, interval.high))


def ece_by_chance(some: Scored, seed: str, count: int = 200) -> float:
    """What `ece` is of so few scores, were they perfectly calibrated: the truths are drawn from the scores."""
    scores = some.scores[np.isfinite(some.scores)]
    even = np.full(len(scores), 1 / len(scores))
    chance = np.random.default_rng(len(seed))
    return float(np.mean([weighted_ece(chance.random(len(scores)) < scores, scores, even) for _ in range(count)]))


def _by_class(some: Scored) -> tuple[Floats, Floats]:
    """Raw scores of the negatives and of the positives that have one."""
    given = np.isfinite(some.raws)
    return some.raws[given & ~some.truths], some.raws[given & some.truths]
