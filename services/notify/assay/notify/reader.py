"""One open stream's end at this side: events wait here, within bounds, until the client takes them."""

from collections import deque
from collections.abc import Callable
from enum import Enum

from assay.notify import metrics
from assay.notify.domain import Audience
from assay.notify.position import View
from assay.notify.ring import RingEntry

# Takes an event at once; False where the client cannot take more now.
Take = Callable[[RingEntry], bool]


class End(Enum):
    """Why a stream ends. But for `COMPLETED`, the client goes on by `Last-Event-ID`."""

    COMPLETED = "completed"
    GONE = "gone"
    SLOW = "slow"
    SHUTDOWN = "shutdown"
    RESET = "reset"


class Reader:
    """Takes what the fan-out offers. Never waits: who reads too slowly is cut off."""

    # Thousands are open and idle at once.
    __slots__ = ("_bytes", "_max_bytes", "_max_events", "_pending", "_take", "audience", "end", "on_end", "view")

    def __init__(self, audience: Audience, view: View, *, max_events: int, max_bytes: int) -> None:
        self.audience = audience
        self.view = view
        self.end: End | None = None
        # Called once with the reason, for whoever must end the connection.
        self.on_end: Callable[[End], None] | None = None
        self._max_events = max_events
        self._max_bytes = max_bytes
        # None while nothing waits: an empty deque takes 600 bytes.
        self._pending: deque[RingEntry] | None = None
        self._bytes = 0
        self._take: Take | None = None

    def offer(self, entry: RingEntry) -> None:
        """Hand an event on, or put it behind what waits; beyond the bounds the stream ends."""
        if self.end is not None:
            return
        if self._pending is None:
            if self._take is not None and self._take(entry):
                return
            self._pending = deque()
        if len(self._pending) >= self._max_events or self._bytes + entry.size > self._max_bytes:
            metrics.CUT_OFF.inc()
            self.close(End.SLOW)
            return
        self._pending.append(entry)
        self._bytes += entry.size

    def go_live(self, take: Take) -> None:
        """From now on events go to `take`, those first that wait."""
        self._take = take
        self.resume()

    def resume(self) -> None:
        """The client takes again: hand on what waits."""
        take = self._take
        while take is not None and self._pending and take(self._pending[0]):
            # The event may have been the stream's last.
            self.pop()

    def close(self, end: End) -> None:
        """End the stream; the first reason counts."""
        if self.end is not None:
            return
        self.end = end
        self._pending = self._take = None
        if self.on_end is not None:
            self.on_end(end)

    @property
    def is_behind(self) -> bool:
        """True if events wait for the client."""
        return self._pending is not None

    def pop(self) -> RingEntry | None:
        """The next event; None where nothing waits."""
        if not self._pending:
            return None
        entry = self._pending.popleft()
        self._bytes -= entry.size
        if not self._pending:
            self._pending = None
            self._bytes = 0
        return entry
