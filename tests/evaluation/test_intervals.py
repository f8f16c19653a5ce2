"""Intervals against published values, and that they hold as often as they say."""

import numpy as np
import pytest

from evaluation.intervals import drawn, draws, of_share


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 22, 0.0, 1 - 0.025 ** (1 / 22)), (5, 10, 0.1871, 0.8129), (1, 100, 0.000253, 0.0545), (10, 10, 0.6915, 1.0)],
)
def test_shares_have_the_interval_of_clopper_and_pearson(hits: int, n: int, low: float, high: float) -> None:
    interval = of_share(hits, n)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == pytest.approx(high, abs=5e-5)


def test_nothing_counted_says_nothing() -> None:
    assert (of_share(0, 0).low, of_share(0, 0).high) == (0.0, 1.0)


def test_sources_are_drawn_whole_and_classes_keep_their_numbers() -> None:
    truths = np.array([False, False, True, True, True, False])
    sources = ["a", "a", "b", "c", "d", "e"]
    for indices in draws(truths, sources, seed="x", count=50):
        assert truths[indices].sum() == 3
        assert list(indices).count(0) == list(indices).count(1)


def test_a_source_of_both_classes_brings_both() -> None:
    truths = np.array([False, True] * 4)
    for indices in draws(truths, [str(index // 2) for index in range(8)], seed="x", count=20):
        assert sorted(indices // 2 * 2) == sorted(np.concatenate([indices[::2], indices[::2]]) // 2 * 2)
        assert truths[indices].mean() == 0.5


def test_the_same_seed_draws_the_same() -> None:
    truths = np.arange(30) % 2 == 0
    sources = [str(index) for index in range(30)]

    def sums(seed: str) -> list[int]:
        return [int(indices.sum()) for indices in draws(truths, sources, seed=seed, count=20)]

    assert sums("a") == sums("a")
    assert sums("a") != sums("b")


def test_drawn_intervals_hold_about_as_often_as_they_say() -> None:
    chance = np.random.default_rng(5)
    held = 0
    for trial in range(200):
        values = chance.normal(0.0, 1.0, 40)
        means = [
            float(values[indices].mean())
            for indices in draws(np.ones(40, bool), [str(index) for index in range(40)], seed=str(trial), count=200)
        ]
        interval = drawn(means)
        assert interval is not None
        held += 0.0 in interval
    assert 176 <= held <= 199
