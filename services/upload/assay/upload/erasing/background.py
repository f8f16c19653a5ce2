"""What is done about erased files without anybody asking: sweeping their folders, and erasing what grew too old."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import structlog

from assay.shared.tasks import end
from assay.upload.erasing.service import TOGETHER, Erasing

log = structlog.get_logger(__name__)

SWEEP_S = 5.0
AGE_S = 60.0
BETWEEN_S = 0.2
"""Between two steps of erasing by age, so that people find the database free."""


class BackgroundErasing:
    """Runs in every replica: each takes what no other one is at."""

    def __init__(self, erasing: Erasing, *, retention: timedelta | None) -> None:
        """retention: how old a file becomes; None: any age."""
        self._erasing = erasing
        self._retention = retention
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin at once with what a process that died has left."""
        self._tasks = [asyncio.create_task(self._sweep_for_ever(), name="sweep erased files")]
        if self._retention is not None:
            self._tasks.append(asyncio.create_task(self._age_for_ever(self._retention), name="erase by age"))

    async def stop(self) -> None:
        """What is due is for another replica, or the next start."""
        await end(*self._tasks)

    async def _sweep_for_ever(self) -> None:
        while True:
            self._erasing.news.clear()
            try:
                while await self._erasing.sweep():
                    pass
            except Exception as error:  # storage or PostgreSQL away: the lease ends, and it is due again
                log.warning("erasure_postponed", reason=str(error) or type(error).__name__)
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):
                    await self._erasing.news.wait()

    async def _age_for_ever(self, retention: timedelta) -> None:
        rest = max(1.0, min(AGE_S, retention.total_seconds() / 10))
        while True:
            count = 0
            try:
                while (done := await self._erasing.erase_older_than(retention)) > 0:
                    count += done
                    if done < TOGETHER:
                        break
                    await asyncio.sleep(BETWEEN_S)
            except Exception as error:  # PostgreSQL away
                log.warning("erasing_by_age_postponed", reason=str(error) or type(error).__name__)
            if count:
                log.info("files_erased_by_age", files=count, retention_s=retention.total_seconds())
            await asyncio.sleep(rest)
