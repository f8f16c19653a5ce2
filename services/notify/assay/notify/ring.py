"""The end of the log, in memory: the latest events in the order of their arrival, findable by file and by owner.

For each slot the ring holds every event from `low` to `high`, both next offsets. Whoever knows positions can therefore
be served from it without gap or duplicate, or learns which offsets have to be read from Kafka.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from assay.notify import metrics
from assay.notify.domain import Audience, LoggedEvent
from assay.notify.position import Layout, Positions, View

REMEMBERED_DELETIONS = 100_000


@dataclass(slots=True, eq=False)
class RingEntry:
    """An event in the ring, with the ring's positions just after it. `event` is None once its file is deleted."""

    event: LoggedEvent | None
    slot: int
    offset: int
    size: int
    positions: Positions
    audiences: tuple[Audience, Audience]
    _ids: dict[View, str] = field(default_factory=dict)
    _chunks: dict[View, bytes] | None = None

    def id_in(self, view: View) -> str:
        """The id of a reader who has all of the ring up to this event. Made once for the readers that share a view."""
        known = self._ids.get(view)
        if known is None:
            known = self._ids[view] = view.encode(self.positions)
        return known

    def chunk_in(self, view: View) -> bytes:
        """The event as it goes over the wire to who has all of the ring before it: a block with its id, in a chunk of
        HTTP/1.1. The same bytes for the readers that share a view; only while the event is not erased.
        """
        if self._chunks is None:
            self._chunks = {}
        known = self._chunks.get(view)
        if known is None:
            assert self.event is not None, "nothing is said of a deleted file"
            block = b"id: %s\n%b" % (self.id_in(view).encode(), self.event.block)
            known = self._chunks[view] = b"%x\r\n%b\r\n" % (len(block), block)
        return known

    def forget_chunks(self) -> None:
        """The live readers have them; who comes later is served from the event itself."""
        self._chunks = None


class Ring:
    """Bounded by events and by bytes. One writer, the tailer; everything happens on the event loop."""

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._layout: Layout | None = None
        self._low: list[int] = []
        self._high: list[int] = []
        self._bytes = 0
        self._entries: deque[RingEntry] = deque()
        self._index: dict[Audience, deque[RingEntry]] = {}
        # For longer than the ring has the event that said so: what is heard of them late is nobody's any more.
        self._gone: OrderedDict[Audience, None] = OrderedDict()

    def reset(self, layout: Layout, start: Iterable[int]) -> None:
        """Forget everything and begin at these positions."""
        self._layout = layout
        self._low = list(start)
        self._high = list(self._low)
        self._bytes = 0
        self._entries.clear()
        self._index.clear()
        self._measure()

    @property
    def layout(self) -> Layout:
        """The partitions that the ring is about; only once `reset` was called."""
        assert self._layout is not None, "the tailer has not begun"
        return self._layout

    @property
    def is_begun(self) -> bool:
        """True once there are positions."""
        return self._layout is not None

    @property
    def high(self) -> Positions:
        """The next offset of each slot."""
        return tuple(self._high)

    def append(self, event: LoggedEvent) -> RingEntry | None:
        """Take the next event of a slot; None for one that the ring has had already, and of a file that is gone.

        Both lanes may say that it is gone; the first one counts.
        """
        if event.offset < self._high[event.slot]:
            return None
        self._high[event.slot] = event.offset + 1
        audiences = Audience.of(event)
        if audiences[0] in self._gone:
            return None
        if event.deletes:
            self._erase(audiences[0])
        entry = RingEntry(event, event.slot, event.offset, len(event.block), self.high, audiences)
        self._entries.append(entry)
        for audience in audiences:
            self._index.setdefault(audience, deque()).append(entry)
        self._bytes += entry.size
        while len(self._entries) > self._max_events or self._bytes > self._max_bytes:
            self._evict()
        self._measure()
        return entry

    def advance(self, slot: int, position: int) -> None:
        """Note that nothing for a stream lies before this position."""
        self._high[slot] = max(self._high[slot], position)

    def missing(self, view: View, floor: Positions) -> dict[int, tuple[int, int]]:
        """For each slot of the view, the offsets from `floor` on that the ring has no longer: (first, end)."""
        return {slot: (floor[slot], self._low[slot]) for slot in view.slots if floor[slot] < self._low[slot]}

    def since(self, audience: Audience, floor: Positions) -> list[RingEntry]:
        """The events for an audience that are not before `floor`, in the ring's order."""
        return [
            entry
            for entry in self._index.get(audience, ())
            if entry.event is not None and entry.offset >= floor[entry.slot]
        ]

    def knows(self, audience: Audience) -> bool:
        """True if an event in the ring is for this audience."""
        return audience in self._index

    def is_deleted(self, audience: Audience) -> bool:
        """True if the ring knows that this file is gone."""
        return audience in self._gone

    def learn_deleted(self, audience: Audience) -> None:
        """A file was deleted before what the ring has: whatever is heard of it is nobody's."""
        if audience not in self._gone:
            self._erase(audience)

    def _erase(self, audience: Audience) -> None:
        """What a deleted file said before is served to nobody any more; its place in the order stays."""
        self._gone[audience] = None
        while len(self._gone) > REMEMBERED_DELETIONS:
            self._gone.popitem(last=False)
        for entry in self._index.get(audience, ()):
            if entry.event is not None:
                entry.event = None
                self._bytes -= entry.size

    def _evict(self) -> None:
        entry = self._entries.popleft()
        self._low[entry.slot] = entry.offset + 1
        if entry.event is not None:
            self._bytes -= entry.size
        for audience in entry.audiences:
            # The oldest of all is the oldest of its file and of its owner.
            kept = self._index[audience]
            kept.popleft()
            if not kept:
                del self._index[audience]

    def _measure(self) -> None:
        metrics.RING_EVENTS.set(len(self._entries))
        metrics.RING_BYTES.set(self._bytes)
