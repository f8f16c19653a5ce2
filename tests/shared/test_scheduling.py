"""Whose record is next: the rules, without Kafka."""

import random
from collections import Counter
from dataclasses import dataclass

from assay.shared.scheduling import URGENT_AT_ONCE, Lane, Schedule


@dataclass(eq=False)
class Thing:
    number: int
    lane: str = "one"
    turn: str | None = None
    order: str | None = None
    is_urgent: bool = False


def put(schedule: Schedule[Thing], *things: Thing) -> None:
    for thing in things:
        if schedule.add(thing):
            schedule.ready(thing)


def taken(schedule: Schedule[Thing], at_most: int) -> list[Thing]:
    """Each ends before the next is taken."""
    out = []
    while len(out) < at_most and (thing := schedule.take()) is not None:
        out.append(thing)
        schedule.release(thing)
        following = schedule.finished(thing)
        if following is not None:
            schedule.ready(following)
    return out


def test_the_window_is_never_exceeded_and_a_free_slot_is_given_at_once() -> None:
    schedule: Schedule[Thing] = Schedule(3, {})
    put(schedule, *(Thing(number) for number in range(5)))
    running = [schedule.take() for _ in range(4)]
    assert [each.number if each else None for each in running] == [0, 1, 2, None]
    assert running[1] is not None
    schedule.release(running[1])
    following = schedule.take()
    assert following is not None
    assert following.number == 3


def test_lanes_share_by_weight_and_none_starves() -> None:
    schedule: Schedule[Thing] = Schedule(4, {"people": Lane(8), "bulk": Lane(1)})
    put(schedule, *(Thing(number, "bulk") for number in range(500)))
    put(schedule, *(Thing(number, "people") for number in range(500, 1000)))
    assert Counter(each.lane for each in taken(schedule, 450)) == {"people": 400, "bulk": 50}


def test_a_lane_that_was_idle_saves_nothing_up() -> None:
    schedule: Schedule[Thing] = Schedule(1, {"people": Lane(1), "bulk": Lane(1)})
    put(schedule, *(Thing(number, "bulk") for number in range(300)))
    taken(schedule, 100)
    put(schedule, *(Thing(number, "people") for number in range(300, 500)))
    assert 49 <= Counter(each.lane for each in taken(schedule, 100))["people"] <= 51


def test_a_lane_leaves_room_for_the_others() -> None:
    schedule: Schedule[Thing] = Schedule(4, {"people": Lane(8), "bulk": Lane(1, share=0.75)})
    put(schedule, *(Thing(number, "bulk") for number in range(9)))
    running = list(iter(schedule.take, None))
    assert len(running) == 3
    put(schedule, Thing(9, "people"))
    person = schedule.take()
    assert person is not None
    assert person.lane == "people"
    assert schedule.take() is None
    schedule.release(running[0])
    again = schedule.take()
    assert again is not None
    assert again.lane == "bulk"


def test_a_lane_gives_way_as_far_as_it_is_told() -> None:
    schedule: Schedule[Thing] = Schedule(4, {"people": Lane(8), "bulk": Lane(1, share=0.75, gives_way=True)})
    put(schedule, *(Thing(number, "bulk") for number in range(9)))
    schedule.bound(0)
    assert schedule.take() is None
    schedule.bound(2)
    running = list(iter(schedule.take, None))
    assert len(running) == 2
    schedule.bound(1)
    schedule.release(running[0])
    assert schedule.take() is None
    put(schedule, Thing(9, "people"))
    person = schedule.take()
    assert person is not None
    assert person.lane == "people"
    schedule.bound(None)
    assert len(list(iter(schedule.take, None))) == 2


def test_owners_take_turns_and_each_is_served_in_the_order_of_arrival() -> None:
    schedule: Schedule[Thing] = Schedule(1, {})
    put(schedule, *(Thing(number, turn="many") for number in range(1000)))
    put(schedule, Thing(1000, turn="one"), Thing(1001, turn="two"), Thing(1002, turn="two"))
    numbers = [each.number for each in taken(schedule, 7)]
    assert numbers == [0, 1000, 1001, 1, 1002, 2, 3]


def test_an_order_is_kept_and_holds_up_nobody_else() -> None:
    schedule: Schedule[Thing] = Schedule(3, {})
    put(schedule, Thing(0, order="a"), Thing(1, order="a"), Thing(2, order="b"))
    first, second, third = schedule.take(), schedule.take(), schedule.take()
    assert first and second
    assert (first.number, second.number, third) == (0, 2, None)
    # It comes back to be tried again: the next of its order still waits.
    schedule.release(first)
    schedule.ready(first)
    assert schedule.take() is first
    schedule.release(first)
    following = schedule.finished(first)
    assert following is not None
    schedule.ready(following)
    assert schedule.take() is following


def test_beside_one_in_work_goes_what_waits_in_its_lane_and_fits_in_the_same_slot() -> None:
    schedule: Schedule[Thing] = Schedule(1, {"people": Lane(combines=True), "bulk": Lane()})
    things = [Thing(0, "people", order="a"), Thing(1, "people", order="b"), Thing(2, "bulk", order="c")]
    odd = Thing(3, "people", order="d", turn="odd")
    put(schedule, *things, Thing(4, "bulk", order="e"))
    first = schedule.take()
    assert first is things[0]
    assert schedule.take() is None, "the window is full"
    assert schedule.beside(first, lambda _: True) is things[1]
    assert schedule.beside(first, lambda _: True) is None, "other lanes keep what is theirs"
    put(schedule, odd)
    assert schedule.beside(first, lambda each: each.turn != "odd") is None
    schedule.release(first)
    bulk = schedule.take()
    assert bulk is things[2], "what went beside took no slot of its own"
    assert schedule.beside(bulk, lambda _: True) is None, "a lane that does not combine"
    schedule.release(bulk)
    assert {each.number for each in taken(schedule, 9)} == {3, 4}, "what did not fit waits on"


def test_a_lane_that_combines_has_one_in_work_until_a_batch_is_full() -> None:
    schedule: Schedule[Thing] = Schedule(4, {"people": Lane(combines=True), "bulk": Lane()})
    people = [Thing(number, "people", order=number) for number in range(5)]
    put(schedule, *people, bulk := Thing(9, "bulk", order="other"))
    assert {schedule.take(), schedule.take()} == {people[0], bulk}
    assert schedule.take() is None, "one of the lane is in work"
    schedule.combined(people[0], is_full=True)
    assert [schedule.take() for _ in range(3)] == [people[1], people[2], None], "the window is full"
    schedule.combined(people[1], is_full=False)
    schedule.release(people[0])
    schedule.release(people[1])
    assert schedule.take() is None, "one of the lane is still in work"
    schedule.release(people[2])
    assert schedule.take() is people[3]


def test_urgent_ones_wait_for_no_slot_and_no_order() -> None:
    schedule: Schedule[Thing] = Schedule(1, {})
    put(
        schedule, Thing(0, order="a"), Thing(1, order="a"), *(Thing(n, order="a", is_urgent=True) for n in range(2, 40))
    )
    urgent = [schedule.take() for _ in range(URGENT_AT_ONCE)]
    assert all(each and each.is_urgent for each in urgent)
    ordinary = schedule.take()
    assert ordinary is not None
    assert ordinary.number == 0
    assert schedule.take() is None


def test_what_is_dropped_never_comes() -> None:
    schedule: Schedule[Thing] = Schedule(10, {})
    put(schedule, *(Thing(number, turn=str(number % 3), order=str(number % 7)) for number in range(60)))
    schedule.drop(lambda thing: thing.order in ("1", "2"))
    schedule.drop_orders(lambda order: order in ("1", "2"))
    left = taken(schedule, 100)
    assert Counter(each.order for each in left) == Counter(
        str(number % 7) for number in range(60) if number % 7 not in (1, 2)
    )


def test_whatever_comes_in_whatever_order_everything_is_given_out_once() -> None:
    for seed in range(100):
        chance = random.Random(seed)
        schedule: Schedule[Thing] = Schedule(5, {"a": Lane(5), "b": Lane(1, share=0.4)})
        things = [
            Thing(
                number,
                lane=chance.choice("ab"),
                turn=chance.choice("xyz"),
                order=chance.choice([None, "p", "q"]),
                is_urgent=chance.random() < 0.1,
            )
            for number in range(200)
        ]
        waiting, running, done = list(things), [], []
        while len(done) < len(things):
            if waiting and chance.random() < 0.5:
                put(schedule, waiting.pop(0))
            thing = schedule.take()
            if thing is not None:
                running.append(thing)
            ordinary = [each for each in running if not each.is_urgent]
            assert len(ordinary) <= 5
            assert sum(each.lane == "b" for each in ordinary) <= 2
            assert max(Counter(each.order for each in ordinary if each.order).values(), default=0) <= 1
            if running and (thing is None or chance.random() < 0.5):
                ended = running.pop(chance.randrange(len(running)))
                schedule.release(ended)
                if chance.random() < 0.2:
                    schedule.ready(ended)  # it failed and is tried again
                    continue
                done.append(ended)
                following = schedule.finished(ended)
                if following is not None:
                    schedule.ready(following)
        assert sorted(each.number for each in done) == list(range(200))
        for order in ("p", "q"):
            numbers = [each.number for each in done if each.order == order and not each.is_urgent]
            assert numbers == sorted(numbers)
