"""Things of which there are few, given out in turn: people's work first, some kept for it alone."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Pool(Generic[Item]):
    """Gives an item to one holder at a time: urgent ones first, otherwise in the order of asking."""

    def __init__(self, items: Iterable[Item] = (), *, reserved: int = 0) -> None:
        """reserved: the last so many free items go to urgent holders only, so that these find one at once."""
        self._free = list(items)
        self._reserved = reserved
        self._urgent: deque[asyncio.Future[Item]] = deque()
        self._patient: deque[asyncio.Future[Item]] = deque()

    @asynccontextmanager
    async def one(self, *, urgent: bool) -> AsyncIterator[Item]:
        """An item for the block; waits until there is one."""
        item = await self.take(urgent=urgent)
        try:
            yield item
        finally:
            self.give(item)

    async def take(self, *, urgent: bool) -> Item:
        """An item, to be given back with `give`; waits until there is one."""
        future: asyncio.Future[Item] = asyncio.get_running_loop().create_future()
        (self._urgent if urgent else self._patient).append(future)
        self._hand_out()
        try:
            return await future
        except asyncio.CancelledError:
            # It may have been handed over in the same turn of the loop.
            if future.done() and not future.cancelled():
                self.give(future.result())
            raise

    def give(self, item: Item) -> None:
        """Put an item there, or back. The one given last is taken first: it is the warmest."""
        self._free.append(item)
        self._hand_out()

    @property
    def is_short(self) -> bool:
        """True while somebody waits."""
        return bool(self._urgent or self._patient)

    def _hand_out(self) -> None:
        for waiting, kept in ((self._urgent, 0), (self._patient, self._reserved)):
            while waiting and len(self._free) > kept:
                future = waiting.popleft()
                if not future.done():
                    future.set_result(self._free.pop())
