"""From six answers to one probability that a face is manipulated.

A manipulated face is one of three things, equally likely beforehand: swapped as the DF networks know it, re-enacted as
the F2F networks know it, or made in a way that none of them knows. The answers change the odds of the first two by a
likelihood ratio each; those of the third they leave alone. So no answer brings the probability below 0.25, and only
answers that real faces hardly ever get bring it near 1.

    odds = (swapped + re-enacted + 1) / 3

Both ratios are of how often manipulated and real faces reach a strength. Real faces are those of the worst of the
sources measured, small and badly saved copies among them: the DF networks take softness for a swap. How often swaps
reach it is measured; for re-enacted faces there were none to measure, and half of them is taken, which is less than the
authors report. The fine-tuned ClassNSeg has no vote: it answers real portraits as it answers fakes.

The constants come from `python -m assay.inference.analyzers.face_manipulation.calibration`, which prints them
(README.md, Calibration).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

Answers = NDArray[np.float64]

MANIPULATED_FROM = 0.96
"""Pictures under this probability are not called manipulated. At 0.9, 2 % of one source's portraits would be."""

# How far an answer may go: beyond it, networks are sure of things that they never saw.
_LIMITS = np.array([6.0, 12.0, 6.0, 12.0, 1.5, 1.5])
# What each network's answer counts in the two strengths, in the order of `networks.NAMES`.
_SWAPPED = np.array([1.0, 0.5, 0.0, 0.0, 0.0, 0.0])
_REENACTED = np.array([0.0, 0.0, 1.0, 0.5, 4.0, 0.0])


@dataclass(frozen=True, slots=True)
class Constants:
    """The logarithms of the two likelihood ratios, as lines over the strengths: intercept, slope and largest value."""

    swapped: tuple[float, float, float]
    reenacted: tuple[float, float, float]


CONSTANTS = Constants(swapped=(0.577, 0.099, 1.740), reenacted=(1.726, 0.409, 5.455))


def swapped(answers: Answers) -> Answers:
    """The strength of the traces of a swap. answers: (…, 6). Returns (…,)."""
    return cast(Answers, np.clip(answers, -_LIMITS, _LIMITS) @ _SWAPPED)


def reenacted(answers: Answers) -> Answers:
    """The strength of the traces of a re-enactment. answers: (…, 6). Returns (…,)."""
    return cast(Answers, np.clip(answers, -_LIMITS, _LIMITS) @ _REENACTED)


def fused(answers: Answers, constants: Constants = CONSTANTS) -> float:
    """The probability that a face is manipulated, at even odds beforehand. answers: (6,)."""
    ratios = _ratio(swapped(answers), constants.swapped) + _ratio(reenacted(answers), constants.reenacted)
    odds = (ratios + 1.0) / 3.0
    return odds / (1.0 + odds)


def of_several(scores: Sequence[float]) -> float:
    """The probability that a picture has a manipulated face, at even odds beforehand, from those of its faces.

    Any one of them is the manipulated one with the same probability, so the picture's odds are the mean of theirs: the
    strongest face decides, and counts less the more others there are to be wrong about.
    """
    odds = sum(score / (1.0 - score) for score in scores) / len(scores)
    return odds / (1.0 + odds)


def _ratio(strength: Answers, line: tuple[float, float, float]) -> float:
    start, slope, largest = line
    return float(np.exp(min(start + slope * float(strength), largest)))
