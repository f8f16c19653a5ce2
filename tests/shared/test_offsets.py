"""The offset tracker's rules."""

import random
import time

from assay.shared.offsets import OffsetTracker


def test_the_position_is_the_lowest_that_is_not_done() -> None:
    tracker = OffsetTracker(10)
    assert [tracker.take(offset) for offset in (10, 11, 12)] == [True, True, True]
    tracker.finish(12)
    tracker.finish(11)
    assert (tracker.position, tracker.next) == (10, 13)
    assert tracker.finished() == [(11, 13)]
    tracker.finish(10)
    assert (tracker.position, tracker.finished()) == (13, [])


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
    tracker.take(7), tracker.take(9)
    assert tracker.position == 7
    tracker.finish(7)
    assert tracker.position == 9
    tracker.finish(9)
    assert tracker.position == 10


def test_what_another_process_finished_is_not_taken_again() -> None:
    tracker = OffsetTracker(3, [(5, 7), (9, 10)])
    assert [offset for offset in range(3, 12) if tracker.take(offset)] == [3, 4, 7, 8, 10, 11]
    assert tracker.finished() == [(5, 7), (9, 10)]
    tracker.finish(4)
    assert tracker.finished() == [(4, 7), (9, 10)]
    tracker.finish(3)
    assert tracker.position == 7


def test_ranges_that_are_not_reached_yet_are_still_told() -> None:
    tracker = OffsetTracker(3, [(5, 7), (20, 30)])
    tracker.take(3)
    assert tracker.finished() == [(5, 7), (20, 30)]
    assert OffsetTracker(5, [(5, 7)]).position == 7
    # Records of the range may be gone from the log: the next one comes from beyond it.
    late = OffsetTracker(3, [(5, 7)])
    assert late.take(40)
    assert (late.position, late.next) == (40, 41)


def test_what_a_handler_has_is_told() -> None:
    tracker = OffsetTracker(0)
    for offset in range(4):
        tracker.take(offset)
    tracker.start(2), tracker.start(1)
    assert tracker.started == [1, 2]
    tracker.finish(1)
    assert tracker.started == [2]


def test_whatever_the_order_nothing_unfinished_is_told_to_be_done() -> None:
    for seed in range(300):
        order = random.Random(seed)
        pending = sorted(order.sample(range(60), 40))
        every, unfinished = set(pending), set(pending)
        tracker = OffsetTracker(0)
        taken: list[int] = []
        while unfinished:
            if pending and (not taken or order.random() < 0.5):
                taken.append(pending.pop(0))
                assert tracker.take(taken[-1])
            else:
                done = taken.pop(order.randrange(len(taken)))
                tracker.finish(done)
                unfinished.discard(done)
            told = {offset for first, end in tracker.finished() for offset in range(first, end)}
            assert tracker.position <= min(unfinished, default=60)
            assert not told & unfinished
            # And all that is done and above the position is told.
            assert {each for each in every - unfinished if each >= tracker.position} <= told
            if order.random() < 0.1:
                # The process dies; another goes on from what was told.
                pending = sorted(set(pending) | set(taken))
                taken = []
                tracker = OffsetTracker(tracker.position, tracker.finished())
        assert not tracker.open


def test_twenty_thousand_finished_ones_above_an_open_one_cost_nothing() -> None:
    def seconds(held: bool) -> float:
        tracker = OffsetTracker(0)
        tracker.take(0)
        if not held:
            tracker.finish(0)
        began = time.process_time()
        for offset in range(1, 20_001):
            tracker.take(offset)
            tracker.start(offset)
            tracker.finish(offset)
            assert tracker.position in (0, offset + 1)
            if offset % 100 == 0:
                assert len(tracker.finished()) == held
        return time.process_time() - began

    seconds(held=False)
    assert seconds(held=True) < 5 * seconds(held=False) + 0.1
