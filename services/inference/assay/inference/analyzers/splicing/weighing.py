"""From what was measured to a probability at even prior odds.

Both traces are read off how many pictures reach a strength, unedited ones and made ones (README.md, Calibration); a
line is laid through the log-likelihood ratios. They see different kinds of editing, so the stronger counts.
"""

import math
from dataclasses import dataclass

from assay.inference.analyzers.splicing.copies.search import Search
from assay.inference.analyzers.splicing.copies.verification import Copy
from assay.inference.analyzers.splicing.copies.weighing import likelihood
from assay.inference.analyzers.splicing.residual.examination import Examination

MANIPULATED_FROM = 0.9  # scores below it are not called manipulated
SUSPECT_FROM = 0.5

_COPY = (2.6, 2.0)  # the logit at which the log-odds are those of MANIPULATED_FROM, and their slope
_FOREIGN = (14.0, 0.35)
_AT = math.log(MANIPULATED_FROM / (1.0 - MANIPULATED_FROM))
_LARGEST_WEIGHT = 5.0  # so few photos do not support more
_SILENCE = math.log(0.6)  # likelihood ratio of finding nothing in a picture that allows finding something
_LEAST_NOISY = 0.15
_RAW_SPREAD = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Assessment:
    """Log-odds for manipulation and what they rest on.

    copies    those that speak for it at all, with their log-odds, the strongest first
    foreign   log-odds of the part whose noise is unlike the rest; below 0 it is not told of
    raw       0..1: how far the stronger of both goes, also where nothing speaks for manipulation; not a probability
    informed  False where the picture is too smooth, or was enlarged, so that silence means nothing
    """

    weight: float
    raw: float
    copies: tuple[tuple[float, Copy], ...]
    foreign: float
    informed: bool

    @property
    def found(self) -> bool:
        """Whether there is anything to tell of."""
        return bool(self.copies) or self.foreign > 0.0

    @property
    def score(self) -> float:
        """Probability at even odds."""
        return 1.0 / (1.0 + math.exp(-self.weight))


def assess(search: Search, examination: Examination, *, enlarged: bool) -> Assessment:
    """Weigh both traces. enlarged: the picture's noise is interpolation, and says nothing of its parts."""
    weighed = sorted(((copy_weight(copy), copy) for copy in search.copies), key=lambda pair: -pair[0])
    copies = tuple(pair for pair in weighed if pair[0] > 0.0)
    foreign = 0.0 if enlarged else foreign_weight(examination)
    strongest = max([foreign, *(weight for weight, _ in copies)])
    # Beyond the bounds of the weights, so that pictures can be ranked.
    furthest = max([_line(examination.strength, _FOREIGN), *(_line(likelihood(copy), _COPY) for copy in search.copies)])
    raw = 1.0 / (1.0 + math.exp(-furthest / _RAW_SPREAD))
    informed = examination.noisy >= _LEAST_NOISY and not enlarged
    weight = strongest if strongest > 0.0 else _SILENCE if informed else 0.0
    return Assessment(weight=weight, raw=raw, copies=copies, foreign=foreign, informed=informed)


def copy_weight(copy: Copy) -> float:
    """Log-odds that a pair of equal parts gives."""
    return _on_line(likelihood(copy), _COPY)


def foreign_weight(examination: Examination) -> float:
    """Log-odds that the part with the oddest noise gives."""
    return _on_line(examination.strength, _FOREIGN)


def _on_line(value: float, line: tuple[float, float]) -> float:
    return max(-_LARGEST_WEIGHT, min(_LARGEST_WEIGHT, _line(value, line)))


def _line(value: float, line: tuple[float, float]) -> float:
    return _AT + line[1] * (value - line[0])
