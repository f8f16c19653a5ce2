"""Takes old deliveries out of the log, and marks of deleted files once the topics have forgotten them."""

import asyncio
from datetime import timedelta

import structlog

from assay.contracts.topics import ANALYSES
from assay.shared.database import DriverTransaction
from assay.shared.tasks import end

log = structlog.get_logger(__name__)

EVERY_S = 60.0
BETWEEN_S = 0.2
TOGETHER = 5000
# A group that is set back to the beginning of the topics may meet anything that is younger.
MARKS_KEPT = 2 * timedelta(milliseconds=int(ANALYSES.config["retention.ms"]))

# What still waits is not old: it ends by itself a day after it began.
DELETE = """
    DELETE FROM deliveries WHERE delivery_id IN (
        SELECT delivery_id FROM deliveries WHERE created_at < now() - $1::interval AND status <> 'pending'
        ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
"""
DELETE_MARKS = """
    DELETE FROM deleted_files WHERE file_id IN (
        SELECT file_id FROM deleted_files WHERE deleted_at < now() - $1::interval
        ORDER BY deleted_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
"""


class Retention:
    """Runs in every replica: each takes what no other one has."""

    def __init__(self, transaction: DriverTransaction, *, kept: timedelta, every_s: float = EVERY_S) -> None:
        self._transaction = transaction
        self._kept = kept
        self._every_s = min(every_s, max(1.0, kept.total_seconds() / 10))
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._sweep_for_ever(), name="retention of webhook deliveries")

    async def stop(self) -> None:
        await end(self._task)

    async def sweep(self) -> int:
        """Take out some of what is too old; returns how many deliveries."""
        async with self._transaction() as driver:
            await driver.execute(DELETE_MARKS, MARKS_KEPT, TOGETHER)
            done = await driver.execute(DELETE, self._kept, TOGETHER)
        return int(done.rsplit(" ", 1)[1])

    async def _sweep_for_ever(self) -> None:
        while True:
            rest = self._every_s
            try:
                # Between two steps others find the database free.
                rest = self._every_s if await self.sweep() < TOGETHER else BETWEEN_S
            except Exception as error:  # PostgreSQL away: the next time
                log.warning("webhook_retention_postponed", reason=str(error) or type(error).__name__)
            await asyncio.sleep(rest)
