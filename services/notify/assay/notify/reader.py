"""One open stream's end at this side: events wait here, within bounds, until the client takes them."""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum

from assay.notify import metrics
from assay.notify.domain import Audience
from assay.notify.position import View
from assay.notify.ring import RingEntry


class End(Enum):
    """Why a stream ends before its time. The client goes on by `Last-Event-ID`."""

    GONE = "gone"
    SLOW = "slow"
    SHUTDOWN = "shutdown"
    RESET = "reset"


class Reader:
    """Takes what the fan-out offers. Never waits: who reads too slowly is cut off."""

    def __init__(self, audience: Audience, view: View, *, max_events: int, max_bytes: int) -> None:
        self.audience = audience
        self.view = view
        self.end: End | None = None
        # Called once with the reason, for whoever must break a send that may block.
        self.on_end: Callable[[End], None] | None = None
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._pending: deque[RingEntry] = deque()
        self._bytes = 0
        self._waiter: asyncio.Future[bool] | None = None

    def offer(self, entry: RingEntry) -> None:
        """Put an event behind what waits; beyond the bounds the stream ends."""
        if self.end is not None:
            return
        if len(self._pending) >= self._max_events or self._bytes + entry.size > self._max_bytes:
            metrics.CUT_OFF.inc()
            self.close(End.SLOW)
            return
        self._pending.append(entry)
        self._bytes += entry.size
        self._wake(True)

    def close(self, end: End) -> None:
        """End the stream; the first reason counts."""
        if self.end is not None:
            return
        self.end = end
        self._pending.clear()
        if self.on_end is not None:
            self.on_end(end)
        self._wake(True)

    def pop(self) -> RingEntry | None:
        """The next event; None where nothing waits."""
        if not self._pending:
            self._bytes = 0
            return None
        entry = self._pending.popleft()
        self._bytes -= entry.size
        return entry

    async def wait(self, seconds: float) -> bool:
        """Wait until there is something to do. False where nothing happened for so long."""
        if self._pending or self.end is not None:
            return True
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self._wake, False)
        try:
            return await self._waiter
        finally:
            timer.cancel()
            self._waiter = None

    def _wake(self, happened: bool) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(happened)
