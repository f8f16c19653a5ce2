"""Waits before another attempt."""

from assay.shared import backoff


def test_waits_grow_to_a_limit_and_differ() -> None:
    for attempt, longest in ((1, 0.1), (2, 0.4), (3, 1.6), (4, 6.4), (5, 25.6), (6, 30.0), (10_000, 30.0)):
        waits = [backoff.seconds(attempt) for _ in range(50)]
        assert longest / 2 <= min(waits) < max(waits) <= longest
