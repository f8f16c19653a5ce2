"""Lays lines through what was measured, and prints them with the figures that they rest on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.splicing.residual.comparator import Comparator
from assay.inference.analyzers.splicing.residual.examination import examine
from assay.inference.analyzers.splicing.training.collecting import Measured, Searched

Values = NDArray[np.float64]

_RIDGE = 1.0
_NOTHING = -9.0


def report_strengths(pictures: Sequence[Measured], comparator: Comparator) -> None:
    """How strong the oddest part is in unedited photos and in splices that took no part in training."""
    usable = [each for each in pictures if min(each.counts.shape[:2]) >= 8]
    strengths = np.array([examine(each.counts.astype(np.int32), 16, comparator).strength for each in usable])
    edited = np.array([each.mask is not None for each in usable])
    fine = np.array([each.quality == 0 or each.quality >= 90 for each in usable])
    for name, chosen in (("all", np.ones_like(fine)), ("PNG and quality 90 or more", fine), ("below", ~fine)):
        own, made = strengths[chosen & ~edited], strengths[chosen & edited]
        print(f"noise, {name}: {len(own)} unedited, {len(made)} splices, AUC {_area(own, made):.3f}")
        for level in np.sort(own)[::-1][[0, 1, 2, 3, 5, 8]]:
            print(f"  from {level:.2f}: {(own >= level).sum()} unedited, {(made >= level).mean():.3f} of the splices")


def report_copies(results: Sequence[Searched]) -> None:
    """Fit the logit of `copies/weighing.py`, and say how many pictures reach it."""
    own = [each for each in results if not each.way]
    made = [each for each in results if each.way]
    wrong = np.concatenate([each.features for each in own if len(each.features)])
    right = np.concatenate([each.features[each.right] for each in made if each.right.any()])
    coefficients, intercept = _logit(wrong, right)
    print("copies:", np.round(coefficients, 3).tolist(), round(intercept, 3))
    strongest = [np.array([_strongest(each, coefficients, intercept) for each in some]) for some in (own, made)]
    print(f"  {len(own)} unedited, {len(made)} copy-moves; the highest unedited: {np.sort(strongest[0])[::-1][:8]}")
    for level in (1.0, 1.5, 2.0, 2.5, 3.0, 4.0):
        hits = [int((values >= level).sum()) for values in strongest]
        print(f"  from {level}: {hits[0]} unedited, {hits[1] / len(made):.3f} of the copy-moves")


def _strongest(result: Searched, coefficients: Values, intercept: float) -> float:
    return (
        float((result.features @ coefficients + intercept).max(initial=_NOTHING)) if len(result.features) else _NOTHING
    )


def _logit(wrong: Values, right: Values) -> tuple[Values, float]:
    """Logistic regression by Newton's method, both sides counting the same, with a ridge."""
    values = np.concatenate([wrong, right])
    truth = np.repeat([0.0, 1.0], [len(wrong), len(right)])
    middle, spread = values.mean(0), values.std(0)
    inputs = np.column_stack([(values - middle) / spread, np.ones(len(values))])
    weight = np.where(truth > 0, 0.5 / len(right), 0.5 / len(wrong)) * len(values)
    found = np.zeros(inputs.shape[1])
    for _ in range(100):
        odds = 1.0 / (1.0 + np.exp(-inputs @ found))
        curve = (inputs * (weight * odds * (1.0 - odds))[:, None]).T @ inputs + _RIDGE * np.eye(len(found))
        found += np.linalg.solve(curve, inputs.T @ (weight * (truth - odds)) - _RIDGE * found)
    coefficients = found[:-1] / spread
    return coefficients, float(found[-1] - coefficients @ middle)


def _area(negatives: Values, positives: Values) -> float:
    low = np.sort(negatives)
    return float(
        (np.searchsorted(low, positives, "left") + np.searchsorted(low, positives, "right")).mean() / 2 / len(low)
    )
