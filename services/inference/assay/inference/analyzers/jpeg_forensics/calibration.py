"""From a measured strength to a probability. Every number here was measured; README.md says how and on what."""

import math
from dataclasses import dataclass

from assay.inference.analyzers.jpeg_forensics.examination import Examination
from assay.inference.analyzers.jpeg_forensics.grids import ForeignGrid
from assay.inference.analyzers.jpeg_forensics.odd import OddRegion

MANIPULATED_FROM = 0.9  # scores below it are not called manipulated
SUSPECT_FROM = 0.5

# Consistency that a region must show before its strength counts at all: both models have to hold where they should.
_LEAST_FIT = 0.6
_LEAST_REST_FIT = 0.5
_MOST_OUTSIDE = 0.02
_LEAST_INSIDE = 0.4

_DOUBLE = (-7.0, 4.0)  # intercept and slope over log10 nats
_GRID = (-3.0, 0.3)  # intercept and slope over -log10 NFA
_SILENCE_AFTER_PATTERN = 0.2  # likelihood ratio of finding nothing in a picture that was wholly compressed twice
_SILENCE = 0.8  # the same where no pattern was there to be broken


@dataclass(frozen=True, slots=True)
class Assessment:
    """Probability at even prior odds, its log-odds, and the regions that it rests on."""

    score: float
    weight: float
    odd: tuple[OddRegion, ...]
    foreign: tuple[ForeignGrid, ...]


def assess(examination: Examination) -> Assessment:
    """Weigh what was measured. The two methods see the same editing, so the stronger counts, not the sum."""
    double = examination.double
    odd = tuple(found for found in double.regions if consistent_odd(found)) if double else ()
    foreign = tuple(found for found in examination.grids.foreign if consistent_grid(found))
    weights = [odd_weight(found) for found in odd] + [grid_weight(found) for found in foreign]
    if weights:
        weight = max(weights)
    else:
        patterned = double is not None and double.quality is not None
        weight = math.log(_SILENCE_AFTER_PATTERN if patterned else _SILENCE)
    return Assessment(score=1.0 / (1.0 + math.exp(-weight)), weight=weight, odd=odd, foreign=foreign)


def consistent_odd(found: OddRegion) -> bool:
    """The region behaves as its history predicts, and so does the rest."""
    return found.fit >= _LEAST_FIT and found.rest_fit >= _LEAST_REST_FIT and found.nats >= 1.0


def consistent_grid(found: ForeignGrid) -> bool:
    """The grid rules the region and is absent from the rest."""
    return found.inside >= _LEAST_INSIDE and found.outside <= _MOST_OUTSIDE


def odd_weight(found: OddRegion) -> float:
    """Log-odds for manipulation that a region of another history gives."""
    return _bounded(_DOUBLE[0] + _DOUBLE[1] * math.log10(found.nats))


def grid_weight(found: ForeignGrid) -> float:
    """Log-odds for manipulation that a region on another grid gives."""
    return _bounded(_GRID[0] - _GRID[1] * found.log10_nfa)


def _bounded(weight: float) -> float:
    """No score beyond what the number of pictures measured can support."""
    return max(-5.0, min(5.0, weight))
