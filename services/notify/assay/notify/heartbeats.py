"""One timer for all quiet streams: a wheel that turns once in the time after which a stream must say that it lives."""

import asyncio
import random
from typing import Protocol

from assay.notify.position import Positions, View
from assay.notify.ring import Ring

TICKS = 16


class Beating(Protocol):
    """A stream that is heard of now and then."""

    view: View
    spoke_at: int
    """The tick of its last sign of life; whoever sends something sets it to `Heartbeats.now`."""
    due_at: int

    def beat(self, high: Positions, line: bytes) -> None:
        """Say that the stream lives. `line` stands for the ring's positions `high` in the stream's view."""


class Heartbeats:
    """A stream that has said nothing for `seconds` says where the log is. Ticks while there is any stream."""

    def __init__(self, ring: Ring, seconds: float) -> None:
        self.now = 0
        self._ring = ring
        self._tick_s = seconds / TICKS
        # One more than the ticks of a turn: nothing is put where the wheel is.
        self._wheel: list[set[Beating]] = [set() for _ in range(TICKS + 1)]
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, stream: Beating) -> None:
        """Look after a stream that has just spoken. Those that came together do not beat together."""
        stream.spoke_at = self.now - random.randrange(TICKS // 2)
        self._put(stream)
        self._count += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._tick)

    def forget(self, stream: Beating) -> None:
        """It has ended."""
        self._wheel[stream.due_at % len(self._wheel)].discard(stream)
        self._count -= 1
        if self._count == 0 and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _put(self, stream: Beating) -> None:
        stream.due_at = stream.spoke_at + TICKS
        self._wheel[stream.due_at % len(self._wheel)].add(stream)

    def _tick(self) -> None:
        # First: whatever happens below, the wheel turns on.
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._tick)
        self.now += 1
        at = self.now % len(self._wheel)
        due, self._wheel[at] = self._wheel[at], set()
        high = self._ring.high if due else ()
        lines: dict[View, bytes] = {}
        for stream in due:
            if stream.spoke_at + TICKS <= self.now:
                view = stream.view
                line = lines.get(view)
                if line is None:
                    line = lines[view] = b": heartbeat\nid: %s\n\n" % view.encode(high).encode()
                stream.beat(high, line)
                stream.spoke_at = self.now
            self._put(stream)
