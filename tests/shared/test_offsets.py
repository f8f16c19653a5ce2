"""The offset tracker's rules."""

import random

from assay.shared.offsets import OffsetTracker


def test_commits_the_lowest_that_is_not_done() -> None:
    tracker = OffsetTracker(10)
    assert [tracker.take(offset) for offset in (10, 11, 12)] == [True, True, True]
    assert tracker.uncommitted is None
    tracker.finish(12)
    tracker.finish(11)
    assert tracker.uncommitted is None
    tracker.finish(10)
    assert tracker.uncommitted == 13
    tracker.committed(13)
    assert tracker.uncommitted is None


def test_recognises_what_it_knows() -> None:
    tracker = OffsetTracker(0)
    tracker.take(0), tracker.take(1), tracker.take(2)
    tracker.finish(1)
    assert [tracker.take(offset) for offset in (0, 1, 2)] == [False, False, False]
    tracker.finish(0)
    assert [tracker.take(offset) for offset in (0, 1, 3)] == [False, False, True]
    assert tracker.open == {2, 3}


def test_offsets_that_hold_no_record_are_passed() -> None:
    tracker = OffsetTracker(5)
    tracker.take(5), tracker.take(9)
    tracker.finish(5)
    assert tracker.position == 9
    tracker.finish(9)
    assert tracker.position == 10


def test_a_commit_that_arrives_late_moves_nothing_back() -> None:
    tracker = OffsetTracker(0)
    for offset in range(4):
        tracker.take(offset)
        tracker.finish(offset)
    tracker.committed(4)
    tracker.committed(2)
    assert tracker.uncommitted is None


def test_whatever_the_order_nothing_unfinished_is_committed() -> None:
    for seed in range(200):
        order = random.Random(seed)
        tracker, unfinished, pending = OffsetTracker(0), set(range(30)), list(range(30))
        taken: list[int] = []
        while unfinished:
            if pending and (not taken or order.random() < 0.5):
                taken.append(pending.pop(0))
                assert tracker.take(taken[-1])
            else:
                done = taken.pop(order.randrange(len(taken)))
                tracker.finish(done)
                unfinished.discard(done)
            assert tracker.position <= min(unfinished, default=30)
        assert tracker.uncommitted == 30
        assert not tracker.open
