"""From a measured strength to a probability at even prior odds.

Measured on 1043 unedited photos, saved again in seven ways, and 447 splices (README.md, Calibration): the
log-likelihood ratio is read off how many of either reach a strength, counting zero of n as one of n, and a line is laid
through it.

    strength (nats)       7 .. 30     30 .. 100    over 100
    unedited reaching it  2 of 1043   0            0
    splices reaching it   2 in 100    3 in 100     68 in 100 of those that can show it

Log-odds are bounded by 5: a thousand photos do not support a probability beyond 0.993.
"""

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

_DOUBLE = (-2.9, 3.45)  # intercept and slope over log10 nats
# Intercept and slope over -log10 NFA. In theory the slope is 2.3 (NFA bounds the false alarms expected in a picture);
# neighbouring votes are not independent, so much less is granted. No unedited photo had such a region at all.
_GRID = (-1.0, 0.4)
# Likelihood ratio of finding nothing although the picture was wholly compressed twice: 0.08 on splices made here, 0.5
# on the few of CASIA.
_SILENCE_AFTER_PATTERN = 0.4
_LARGEST_WEIGHT = 5.0


@dataclass(frozen=True, slots=True)
class Assessment:
    """Probability at even prior odds, its log-odds, and the regions that it rests on.

    informed is False where there was no trace that editing could have broken: then silence says nothing.
    """

    score: float
    informed: bool
    weight: float
    odd: tuple[OddRegion, ...]
    foreign: tuple[ForeignGrid, ...]


def assess(examination: Examination) -> Assessment:
    """Weigh what was measured. The two methods see the same editing, so the stronger counts, not the sum."""
    double = examination.double
    odd = tuple(found for found in double.regions if consistent_odd(found)) if double else ()
    foreign = tuple(found for found in examination.grids.foreign if consistent_grid(found))
    weights = [odd_weight(found) for found in odd] + [grid_weight(found) for found in foreign]
    informed = bool(weights) or (double is not None and double.quality is not None)
    weight = max(weights) if weights else math.log(_SILENCE_AFTER_PATTERN) if informed else 0.0
    score = 1.0 / (1.0 + math.exp(-weight))
    return Assessment(score=score, informed=informed, weight=weight, odd=odd, foreign=foreign)


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
    return max(-_LARGEST_WEIGHT, min(_LARGEST_WEIGHT, weight))
