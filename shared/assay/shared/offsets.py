"""Which records of one partition are done, and how far the group may be committed."""

from collections import OrderedDict, deque
from collections.abc import Iterable

Range = tuple[int, int]
"""First offset, and the one after the last."""


class OffsetTracker:
    """Handlers finish out of order; what is committed is the lowest offset that is not finished.

    Kafka gives a partition's offsets in rising order, with gaps. So only those in work are kept: whatever else lies
    below the highest one taken is finished or holds no record. Each step costs the same however many finished ones
    wait above an unfinished one. Knows nothing of Kafka or asyncio, so that its rules can be tested by themselves.
    """

    def __init__(self, start: int, finished: Iterable[Range] = ()) -> None:
        """start: the first offset that is not known to be finished. finished: rising ranges above it that are."""
        self._next = start
        self._open: OrderedDict[int, None] = OrderedDict()
        self._started: set[int] = set()
        self._highest_finished = -1
        self._ahead = deque(finished)
        self.version = 0
        """Rises with every change."""
        self._pass_to(start)

    def take(self, offset: int) -> bool:
        """Note that a record arrived. False for one that is in work or done: a redelivery."""
        if offset < self._next:
            return False
        if self._ahead:
            while self._ahead and self._ahead[0][1] <= offset:
                self._highest_finished = self._ahead.popleft()[1] - 1
            if self._ahead and self._ahead[0][0] <= offset:
                self._pass_to(offset)
                return False
        self._open[offset] = None
        self._pass_to(offset + 1)
        return True

    def _pass_to(self, offset: int) -> None:
        self._next = offset
        self.version += 1
        while self._ahead and self._ahead[0][0] <= self._next:
            self._next = max(self._next, self._ahead.popleft()[1])
            self._highest_finished = self._next - 1

    def start(self, offset: int) -> None:
        """Note that a handler has it now."""
        self._started.add(offset)
        self.version += 1

    def finish(self, offset: int) -> None:
        """Note that a record is done with, for good."""
        self._open.pop(offset, None)
        self._started.discard(offset)
        self._highest_finished = max(self._highest_finished, offset)
        self.version += 1

    @property
    def position(self) -> int:
        """The offset to commit: everything below is done."""
        return next(iter(self._open), self._next)

    @property
    def next(self) -> int:
        """The first offset that is not known: where to go on reading."""
        return self._next

    @property
    def open(self) -> frozenset[int]:
        """Offsets taken and not done."""
        return frozenset(self._open)

    @property
    def started(self) -> list[int]:
        """Offsets that a handler has or had, and that are not done; rising."""
        return sorted(self._started)

    def is_open(self, offset: int) -> bool:
        """True for an offset taken and not done."""
        return offset in self._open

    def finished(self) -> list[Range]:
        """Rising ranges above `position` that hold nothing unfinished."""
        ranges: list[Range] = []
        previous: int | None = None
        for offset in self._open:
            if previous is not None and offset > previous + 1:
                ranges.append((previous + 1, offset))
            previous = offset
            if offset > self._highest_finished:
                break
        else:
            if previous is not None and self._next > previous + 1:
                ranges.append((previous + 1, self._next))
        ranges.extend(self._ahead)
        return ranges
