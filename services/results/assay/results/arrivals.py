"""Waiting for what an event is about to write: a link that was just answered works.

Whoever waits looks into the tables, and looks again as soon as this process has written something of that file. Where
another replica writes it nobody wakes us: so one looks again by oneself too, soon at first, then less often.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from uuid import UUID

WAIT_S = 5.0
AGAIN_S = 0.02
AGAIN_AT_MOST_S = 0.2


class Arrivals:
    """Tells those who wait for news of a file. One per process."""

    def __init__(self) -> None:
        self._waiting: dict[UUID, set[asyncio.Event]] = {}

    def written(self, file_ids: Iterable[UUID]) -> None:
        """News of these files are in the tables."""
        if self._waiting:
            for file_id in file_ids:
                for each in self._waiting.get(file_id, ()):
                    each.set()

    async def looks(self, file_id: UUID) -> AsyncGenerator[None, None]:
        """One turn for each look that is worth it: at once, after each news, and now and then; for 5 s."""
        news = asyncio.Event()
        self._waiting.setdefault(file_id, set()).add(news)
        try:
            until = time.monotonic() + WAIT_S
            again = AGAIN_S
            while True:
                news.clear()
                yield
                left = until - time.monotonic()
                if left <= 0:
                    return
                try:
                    async with asyncio.timeout(min(again, left)):
                        await news.wait()
                except TimeoutError:
                    again = min(2 * again, AGAIN_AT_MOST_S)
        finally:
            waiting = self._waiting[file_id]
            waiting.remove(news)
            if not waiting:
                del self._waiting[file_id]
