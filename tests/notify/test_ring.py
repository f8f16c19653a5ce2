"""The ring, the fan-out and a stream by themselves: bounds, order, erasure, and a snapshot ahead of the ring."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from assay.notify.domain import Audience, AwaitedRun, LoggedEvent, as_block
from assay.notify.fanout import Fanout
from assay.notify.position import Layout, Positions
from assay.notify.reader import End, Reader
from assay.notify.ring import Ring, RingEntry
from assay.notify.stream import Stream

LAYOUT = Layout((uuid4(), uuid4(), uuid4()))
OWNER = Audience("owner")


def event(slot: int, offset: int, *, kind: str = "x", file_id: UUID | None = None, number: int = 1) -> LoggedEvent:
    block = as_block(kind, b'{"n": 1}')
    return LoggedEvent(slot, offset, 0, kind, file_id or uuid4(), OWNER.owner_id, number, block, ())


@pytest.fixture
def ring() -> Iterator[Ring]:
    ring = Ring(max_events=4, max_bytes=10_000)
    ring.reset(LAYOUT, [10] * 36)
    yield ring
    ring.reset(LAYOUT, [0] * 36)


def at(**slots: int) -> Positions:
    """10 everywhere, but s1=12 says 12 in slot 1."""
    return tuple(slots.get(f"s{slot}", 10) for slot in range(36))


def offsets(ring: Ring, floor: Positions) -> list[tuple[int, int]]:
    return [(entry.slot, entry.offset) for entry in ring.since(OWNER, floor)]


def test_it_knows_what_it_has_and_what_it_has_no_longer(ring: Ring) -> None:
    for slot, offset in ((1, 10), (2, 10), (1, 11), (1, 12), (2, 11), (1, 13)):
        ring.append(event(slot, offset))
    assert ring.high == at(s1=14, s2=12)
    assert offsets(ring, at(s1=12)) == [(1, 12), (2, 11), (1, 13)]
    # Two were put out: offset 10 of either slot.
    assert ring.missing(LAYOUT.everything, at()) == {1: (10, 11), 2: (10, 11)}
    assert ring.missing(LAYOUT.everything, at(s1=11, s2=11)) == {}
    assert ring.append(event(1, 13)) is None


def test_a_deleted_file_is_served_to_nobody(ring: Ring) -> None:
    file_id = uuid4()
    kept = ring.append(event(1, 10, file_id=file_id))
    ring.append(event(1, 11))
    ring.append(event(1, 12, kind="assay.file.deleted.v1", file_id=file_id))
    assert offsets(ring, at()) == [(1, 11), (1, 12)]
    assert kept is not None
    assert kept.event is None
    assert ring.is_deleted(Audience("owner", file_id))


def test_bytes_bound_it_too() -> None:
    ring = Ring(max_events=1000, max_bytes=10 * len(event(0, 0).block))
    ring.reset(LAYOUT, [0] * 36)
    for offset in range(50):
        ring.append(event(0, offset))
    assert [entry.offset for entry in ring.since(OWNER, (0,) * 36)] == list(range(40, 50))


async def test_what_the_snapshot_knew_before_the_ring_comes_not_again(ring: Ring) -> None:
    fanout = Fanout(ring)
    fanout.publish(event(1, 10))
    # results has read further than the ring: two more in slot 1, one in slot 2.
    floor = at(s1=13, s2=11)
    reader = Reader(OWNER, LAYOUT.everything, max_events=10, max_bytes=10_000)
    stream = Stream(
        reader, ring, floor=floor, replayed=(), reached=floor, missed=ring.since(OWNER, floor), awaited=None,
        types=None, retry_ms=fanout.retry_ms,
    )  # fmt: skip
    stream.begin_with({"files": []})
    fanout.attach(reader)
    sent = []
    for slot, offset in ((1, 11), (1, 12), (3, 10)):
        fanout.publish(event(slot, offset))
    sent += stream.opening()
    # Not yet everywhere where the snapshot was: its heartbeat is none of the common ones.
    sent.append(stream.heartbeat(ring.high) or b"")
    reader.go_live(lambda entry: sent.append(stream.frame(entry)) is None)
    for slot, offset in ((2, 10), (2, 11), (1, 13)):
        fanout.publish(event(slot, offset))
    assert stream.heartbeat(ring.high) is None
    ids = [line.removeprefix("id: ") for line in b"".join(sent).decode().split("\n") if line.startswith("id: ")]
    positions = [LAYOUT.everything.decode(each).positions for each in ids]
    # The snapshot, what was new, a heartbeat in between: never behind the snapshot, never back.
    early = at(s1=13, s2=11, s3=11)
    assert positions == [floor, early, early, at(s1=13, s2=12, s3=11), at(s1=14, s2=12, s3=11)]
    fanout.detach(reader)


async def test_a_reader_that_does_not_read_is_cut_off() -> None:
    ring = Ring(max_events=1000, max_bytes=10_000_000)
    ring.reset(LAYOUT, [0] * 36)
    fanout, reader = Fanout(ring), Reader(OWNER, LAYOUT.everything, max_events=5, max_bytes=10_000)
    ends: list[End] = []
    reader.on_end = ends.append
    fanout.attach(reader)
    for offset in range(7):
        fanout.publish(event(0, offset))
    assert ends == [End.SLOW]
    assert reader.pop() is None
    fanout.detach(reader)


def test_one_that_fails_costs_the_others_nothing(ring: Ring) -> None:
    def fails(_: object) -> bool:
        raise RuntimeError("the transport is closed")

    fanout, heard = Fanout(ring), list[RingEntry]()
    readers = [Reader(OWNER, LAYOUT.everything, max_events=5, max_bytes=10_000) for _ in range(5)]
    for number, reader in enumerate(readers):
        fanout.attach(reader)
        reader.go_live(fails if number == 2 else lambda entry: heard.append(entry) is None)
    assert fanout.publish(event(0, 10)) == 5
    assert len(heard) == 4
    # It is cut off, and comes back by its id.
    assert [reader.end for reader in readers] == [None, None, End.SLOW, None, None]
    for reader in readers:
        fanout.detach(reader)


def test_who_takes_nothing_now_gets_it_in_order_later(ring: Ring) -> None:
    fanout, reader = Fanout(ring), Reader(OWNER, LAYOUT.everything, max_events=3, max_bytes=10_000)
    fanout.attach(reader)
    taken: list[int] = []
    room = 2

    def take(entry: RingEntry) -> bool:
        if len(taken) >= room:
            return False
        taken.append(entry.offset)
        return True

    reader.go_live(take)
    for offset in range(10, 14):
        fanout.publish(event(0, offset))
    assert (taken, reader.is_behind) == ([10, 11], True)
    room = 10
    # What waited goes first.
    fanout.publish(event(0, 14))
    reader.resume()
    assert (taken, reader.is_behind) == ([10, 11, 12, 13, 14], False)
    fanout.publish(event(0, 15))
    assert taken[-1] == 15
    room = 0
    for offset in range(16, 20):
        fanout.publish(event(0, offset))
    assert reader.end is End.SLOW
    fanout.detach(reader)


async def test_who_comes_during_the_shutdown_is_told_so(ring: Ring) -> None:
    fanout, reader = Fanout(ring), Reader(OWNER, LAYOUT.everything, max_events=5, max_bytes=10_000)
    fanout.end_all(End.SHUTDOWN)
    fanout.attach(reader)
    assert reader.end is End.SHUTDOWN
    fanout.detach(reader)


def test_line_breaks_in_json_are_lines_of_data() -> None:
    assert as_block("a.b", b'{"x":\r\n1,\r"y": 2}') == b'event: a.b\ndata: {"x":\ndata: 1,\ndata: "y": 2}\n\n'


def test_the_current_run_ends_whichever_topic_is_ahead() -> None:
    running = {"run": {"run_number": 1, "status": "running"}}
    requested = event(0, 1, kind="assay.run.requested.v1", number=2)
    first, second = (event(30, 1, kind="assay.run.completed.v1", number=number) for number in (1, 2))
    assert AwaitedRun(running).ends_with(first)
    # A newer run is asked for first: its end counts.
    awaited = AwaitedRun(running)
    assert [awaited.ends_with(each) for each in (requested, first, second)] == [False, False, True]
    # The newer end is seen before its request.
    assert AwaitedRun(running).ends_with(second)
    assert AwaitedRun({"run": None}).ends_with(first)
    assert AwaitedRun({"run": {"run_number": 1, "status": "partially_analyzed"}}).is_complete
