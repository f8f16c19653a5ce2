"""Which records of one partition are done, and how far the group may be committed."""


class OffsetTracker:
    """Handlers finish out of order; what is committed is the lowest offset that is not finished.

    Knows nothing of Kafka or asyncio, so that its rules can be tested by themselves.
    """

    def __init__(self, start: int) -> None:
        """start: the first offset that this member was given."""
        self._next = start
        self._open: set[int] = set()
        self._done: set[int] = set()
        self._committed = start

    def take(self, offset: int) -> bool:
        """Note that a record arrived. False for one that is in work or done: a redelivery after a rebalance."""
        if offset < self._lowest() or offset in self._open or offset in self._done:
            return False
        self._open.add(offset)
        self._next = max(self._next, offset + 1)
        return True

    def finish(self, offset: int) -> None:
        """Note that a record is done with, for good."""
        self._open.discard(offset)
        self._done.add(offset)
        lowest = self._lowest()
        self._done = {each for each in self._done if each >= lowest}

    def _lowest(self) -> int:
        return min(self._open, default=self._next)

    @property
    def position(self) -> int:
        """The offset to commit: everything below is done."""
        return self._lowest()

    @property
    def uncommitted(self) -> int | None:
        """`position` where it is ahead of what was committed, else None."""
        return self.position if self.position > self._committed else None

    def committed(self, offset: int) -> None:
        """Note what Kafka has."""
        self._committed = max(self._committed, offset)

    @property
    def open(self) -> frozenset[int]:
        """Offsets taken and not done."""
        return frozenset(self._open)
