"""Who runs together in a process, and who runs alone."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Isolation:
    """One for a process, shared by all its consumers: handlers run together, a suspect runs alone.

    Whoever waits to be alone goes first: nobody else begins until it was. For one event loop.
    """

    def __init__(self) -> None:
        self._together = 0
        self._is_alone = False
        self._wait_alone: deque[asyncio.Future[None]] = deque()
        self._wait_together: deque[asyncio.Future[None]] = deque()

    def try_enter(self) -> bool:
        """Join those who run together, where that needs no waiting."""
        if self._is_alone or self._wait_alone:
            return False
        self._together += 1
        return True

    async def enter(self) -> None:
        """Join those who run together. To be followed by `leave`."""
        while not self.try_enter():
            await self._wait(self._wait_together)

    def leave(self) -> None:
        """End of a time among others."""
        self._together -= 1
        self._wake()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Run the block while nobody else runs."""
        while self._is_alone or self._together:
            await self._wait(self._wait_alone)
        self._is_alone = True
        try:
            yield
        finally:
            self._is_alone = False
            self._wake()

    async def _wait(self, waiting: "deque[asyncio.Future[None]]") -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        except BaseException:
            waiting.remove(turn)
            self._wake()  # it was this one's turn, perhaps: then somebody else goes on
            raise
        waiting.remove(turn)

    def _wake(self) -> None:
        if self._is_alone:
            return
        if self._wait_alone:
            if not self._together and not self._wait_alone[0].done():
                self._wait_alone[0].set_result(None)
            return
        for turn in self._wait_together:
            if not turn.done():
                turn.set_result(None)
