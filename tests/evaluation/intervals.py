"""95 % intervals: how far a figure of so few pictures can be believed.

Shares get the exact interval of Clopper and Pearson ("The use of confidence or fiducial limits illustrated in the case
of the binomial", Biometrika 26, 1934): it says something for 0 of 22 too, where drawing again never finds an alarm.
All other figures are drawn again (Efron and Tibshirani, "An introduction to the bootstrap", 1993, percentile method),
within each class and by source picture.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """Both limits belong to it."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def of_share(hits: int, n: int, level: float = LEVEL) -> Interval:
    """The exact interval of a share; (0, 1) where there is nothing to count."""
    if n == 0:
        return Interval(0.0, 1.0)
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else _solved(lambda p: _at_least(hits, n, p) - tail)
    high = 1.0 if hits == n else _solved(lambda p: tail - (1 - _at_least(hits + 1, n, p)))
    return Interval(low, high)


def _at_least(hits: int, n: int, p: float) -> float:
    """Probability of so many hits or more."""
    if p <= 0.0 or p >= 1.0:
        return float(p >= 1.0 or hits <= 0)
    log_p, log_q = math.log(p), math.log1p(-p)
    ways = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(hits, n + 1))
    terms = (way + k * log_p + (n - k) * log_q for k, way in enumerate(ways, start=hits))
    return min(1.0, math.fsum(math.exp(term) for term in terms))


def _solved(rising: Callable[[float], float]) -> float:
    """Where a rising function of 0..1 crosses 0."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def draws(
    truths: NDArray[np.bool_], sources: Sequence[str], *, seed: str, count: int = DRAWS
) -> Iterator[NDArray[np.int64]]:
    """Indices of pictures drawn again with replacement.

    Whole sources are drawn, as many as there are; those with pictures of both classes, of negatives only and of
    positives only each among themselves, so that no draw lacks a class. The same seed gives the same draws.
    """
    chance = np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))
    strata = _strata(truths, sources)
    for _ in range(count):
        picked = [groups[each] for groups in strata for each in chance.integers(0, len(groups), len(groups))]
        yield np.concatenate(picked)


def _strata(truths: NDArray[np.bool_], sources: Sequence[str]) -> list[list[NDArray[np.int64]]]:
    members: dict[str, list[int]] = {}
    for index, source in enumerate(sources):
        members.setdefault(source, []).append(index)
    strata: dict[tuple[bool, bool], list[NDArray[np.int64]]] = {}
    for group in members.values():
        indices = np.array(group, dtype=np.int64)
        has = (bool(truths[indices].any()), bool((~truths[indices]).any()))
        strata.setdefault(has, []).append(indices)
    return [strata[key] for key in sorted(strata)]


def drawn(values: Sequence[float], level: float = LEVEL) -> Interval | None:
    """The interval of a figure from its values in the draws; those that are not a number do not count."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    tail = (1 - level) / 2 * 100
    low, high = np.percentile(finite, [tail, 100 - tail])
    return Interval(float(low), float(high))
