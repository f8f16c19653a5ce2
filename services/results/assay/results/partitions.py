"""The months of `analyses`: made ahead, and dropped whole where they need not be kept.

Any replica does it, one at a time, at its start and every hour. What has a month of its own lies there. Ids that tell
no time, or a time that has no partition, lie in `analyses_default`, so that no event is ever refused. What was there
before there were months lies in `analyses_before`. Files, runs and their reports are small beside analyses and are
sought by file: they are not partitioned, and stay.
"""

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from assay.results.months import Month
from assay.shared import database
from assay.shared.clock import now
from assay.shared.database import Driver, DriverTransaction
from assay.shared.tasks import end

log = structlog.get_logger(__name__)

AHEAD = 2
"""Months that are made before they begin, besides the present one."""
EVERY_S = 3600.0
LOCK = 0x_A55A_0002
PATIENCE = "SET LOCAL lock_timeout = '3s'"
"""Who waits for a lock on a table holds up all who come after; it is done in the next hour as well."""

_LIST = """
    SELECT child.relname, pg_get_expr(child.relpartbound, child.oid)
    FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
    WHERE inhparent = 'analyses'::regclass ORDER BY 1
"""
_MOVE = """
    WITH early AS (DELETE FROM analyses_default WHERE run_id >= $1 AND run_id < $2 RETURNING *)
    INSERT INTO {name} SELECT * FROM early
"""
_BOUNDS = re.compile(r"FROM \((?:MINVALUE|'(?P<first>[^']+)')\) TO \('(?P<beyond>[^']+)'\)")


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition by its range of ids."""

    name: str
    first: UUID | None
    """None: whatever is smaller than `beyond`."""
    beyond: UUID

    def holds(self, identifier: UUID) -> bool:
        return (self.first is None or self.first <= identifier) and identifier < self.beyond


class Partitions:
    """Keeps the months of `analyses` in order."""

    def __init__(self, transaction: DriverTransaction, *, keep_months: int | None) -> None:
        """keep_months: full months that are kept besides the present one; None: all."""
        self._transaction = transaction
        self._keep_months = keep_months
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make what is needed now, then look every hour. Raises where PostgreSQL is away."""
        await self.tend(now())
        self._task = asyncio.create_task(self._tend_for_ever(), name="partitions")

    async def stop(self) -> None:
        await end(self._task)

    async def _tend_for_ever(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.tend(now())
            except Exception as error:
                if not database.is_outage(error):
                    raise
                log.warning("partitions_postponed", reason=(str(error) or type(error).__name__).splitlines()[0])

    async def tend(self, moment: datetime) -> None:
        """Make the months that are to come, drop those that need not be kept any longer."""
        present = Month.of(moment)
        for months in range(AHEAD + 1):
            await self.make(present.later(months))
        if self._keep_months is not None:
            await self.drop_before(present.later(-self._keep_months))

    async def make(self, month: Month) -> bool:
        """Make a month's partition; False where its ids have one. What lies in the default partition moves there."""
        async with self._transaction() as driver:
            # Two that make the same month wait for each other; the second one finds it made.
            await driver.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            first, beyond = month.first_id, month.later(1).first_id
            if any(each.holds(first) for each in await _partitions(driver)):
                return False
            await driver.execute(PATIENCE)
            name = f"analyses_{month}"
            await driver.execute(f"CREATE TABLE {name} (LIKE analyses INCLUDING ALL)")
            await driver.execute(_MOVE.format(name=name), first, beyond)
            await driver.execute(
                f"ALTER TABLE analyses ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{beyond}')"
            )
        log.info("partition_made", partition=name)
        return True

    async def drop_before(self, month: Month) -> list[str]:
        """Drop the partitions in which all is older than a month, and what is older in the default one."""
        bound = month.first_id
        async with self._transaction() as driver:
            await driver.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            await driver.execute(PATIENCE)
            old = [each.name for each in await _partitions(driver) if each.beyond <= bound]
            for name in old:
                await driver.execute(f"DROP TABLE {name}")
            await driver.execute("DELETE FROM analyses_default WHERE run_id < $1", bound)
        for name in old:
            log.info("partition_dropped", partition=name)
        return old


async def _partitions(driver: Driver) -> list[Partition]:
    """All that have a range; not the default one."""
    found = []
    for name, bounds in await driver.fetch(_LIST):
        if (match := _BOUNDS.search(bounds)) is not None:
            first = match["first"]
            found.append(Partition(name, UUID(first) if first else None, UUID(match["beyond"])))
    return found
