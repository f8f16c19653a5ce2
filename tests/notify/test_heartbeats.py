"""The wheel: whoever was silent for a turn beats, at the latest then; whoever spoke does not."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from assay.notify.heartbeats import TICKS, Heartbeats
from assay.notify.position import Layout, Positions
from assay.notify.ring import Ring

LAYOUT = Layout((uuid4(), uuid4(), uuid4()))
TURN_S = 1000.0


class Quiet:
    """A stream that only beats."""

    def __init__(self, heartbeats: Heartbeats) -> None:
        self.view = LAYOUT.everything
        self.spoke_at = self.due_at = 0
        self.beats: list[int] = []
        self.lines: list[bytes] = []
        self._heartbeats = heartbeats

    def beat(self, high: Positions, line: bytes) -> None:
        assert self.view.decode(line.decode().split("id: ")[1].strip()).positions == high
        self.beats.append(self._heartbeats.now)
        self.lines.append(line)


@pytest.fixture
def heartbeats() -> Heartbeats:
    ring = Ring(max_events=4, max_bytes=10_000)
    ring.reset(LAYOUT, [10] * 36)
    return Heartbeats(ring, TURN_S)


@pytest.fixture
def tick(heartbeats: Heartbeats) -> Callable[[], None]:
    # The timer would come in minutes; the loop's clock is not waited for.
    return heartbeats._tick


async def test_nobody_is_silent_for_longer_than_a_turn(heartbeats: Heartbeats, tick: Callable[[], None]) -> None:
    streams = [Quiet(heartbeats) for _ in range(500)]
    for stream in streams:
        heartbeats.add(stream)
    for _ in range(4 * TICKS):
        tick()
    for stream in streams:
        gaps = [after - before for before, after in zip([0, *stream.beats], stream.beats, strict=False)]
        assert gaps[0] <= TICKS
        assert set(gaps[1:]) == {TICKS}
    # They came together and do not beat together.
    assert len({stream.beats[0] for stream in streams}) > 2
    # One line was made for all that beat at a time.
    first = [stream for stream in streams if stream.beats[0] == streams[0].beats[0]]
    assert len({id(stream.lines[0]) for stream in first}) == 1
    for stream in streams:
        heartbeats.forget(stream)


async def test_who_spoke_and_who_left_do_not_beat(heartbeats: Heartbeats, tick: Callable[[], None]) -> None:
    talks, leaves = Quiet(heartbeats), Quiet(heartbeats)
    for stream in (talks, leaves):
        heartbeats.add(stream)
    heartbeats.forget(leaves)
    for _ in range(3 * TICKS):
        tick()
        talks.spoke_at = heartbeats.now
    assert talks.beats == leaves.beats == []
    for _ in range(TICKS):
        tick()
    assert len(talks.beats) == 1
    heartbeats.forget(talks)
