"""Counts of days that are over, so that statistics need not read every row.

A file's day is that of its id, an analysis's that of its run's id, in UTC: both are UUIDv7, so a day is a range of ids,
and one of an index. A day is counted two days after it ended, when its runs are past their deadline, and again each
day until it is older than the log: what came late, was deleted or was replayed meanwhile is seen then. The days after
the last counted one are read from the rows themselves, see `counting.py`. One replica counts at a time.

Durations are kept as numbers of analyses in buckets, eight for each doubling, so percentiles of any days together are
right to 5 %.
"""

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import structlog

from assay.results.listing import first_id
from assay.shared.clock import now
from assay.shared.database import Driver, DriverTransaction
from assay.shared.ids import made_at
from assay.shared.tasks import end

log = structlog.get_logger(__name__)

SETTLED = timedelta(days=2)
AGAIN_UNTIL = timedelta(days=35)
AGAIN_EVERY = timedelta(days=1)
EVERY_S = 60.0
EVERYBODY = ""
"""The owner under which all owners together are counted; no owner has this name."""
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('assay.results.summing'))"

FILE_COUNTS = """
    coalesce(media_type, '') AS media_type, status, coalesce(label, '') AS label,
    count(*) AS files, coalesce(sum(size), 0)::bigint AS bytes
"""
# A verdict that was taken over took no time, and says nothing of how long one takes.
BUCKET = """
    CASE WHEN status = 'completed' AND duration_ms > 0 THEN round(8 * log(2, duration_ms + 1)) ELSE -1 END::smallint
"""
ANALYSIS_COUNTS = f"""
    analyzer, status, coalesce(label, '') AS label, {BUCKET} AS bucket, count(*) AS analyses,
    coalesce(sum(duration_ms) FILTER (WHERE status = 'completed'), 0)::bigint AS duration_ms
"""
_SUM_FILES = f"""
    INSERT INTO file_days (owner_id, day, media_type, status, label, files, bytes)
    SELECT CASE WHEN grouping(owner_id) = 1 THEN '{EVERYBODY}' ELSE owner_id END, $1::date, {FILE_COUNTS} FROM files
    WHERE file_id >= $2 AND file_id < $3
    GROUP BY GROUPING SETS ((owner_id, 3, 4, 5), (3, 4, 5))
"""  # noqa: S608
_SUM_ANALYSES = f"""
    INSERT INTO analysis_days (owner_id, day, analyzer, status, label, bucket, analyses, duration_ms)
    SELECT CASE WHEN grouping(owner_id) = 1 THEN '{EVERYBODY}' ELSE owner_id END, $1::date, {ANALYSIS_COUNTS}
    FROM analyses WHERE run_id >= $2 AND run_id < $3
    GROUP BY GROUPING SETS ((owner_id, 3, 4, 5, 6), (3, 4, 5, 6))
"""  # noqa: S608
_LAST = "SELECT max(day) FROM summed_days"
_LOWEST = """
    SELECT least(
        (SELECT file_id FROM files WHERE file_id >= $1 ORDER BY file_id LIMIT 1),
        (SELECT run_id FROM analyses WHERE run_id >= $1 ORDER BY run_id LIMIT 1)
    )
"""
_AGAIN = "SELECT day FROM summed_days WHERE day > $1 AND summed_at < $2 ORDER BY summed_at LIMIT 1"
# Days before it that had nothing are noted, too: something may come to be there.
_NOTE = """
    INSERT INTO summed_days
    SELECT day::date, $3 FROM generate_series($1::timestamp, $2::timestamp, '1 day') AS day
    ON CONFLICT (day) DO UPDATE SET summed_at = excluded.summed_at
"""


def begin_of(day: date) -> datetime:
    """Its first moment, in UTC."""
    return datetime.combine(day, time(), UTC)


def first_of(day: date) -> UUID:
    """The lowest id of a day."""
    return first_id(begin_of(day))


class Summing:
    """Counts days in the background."""

    def __init__(self, transaction: DriverTransaction, *, every_s: float = EVERY_S) -> None:
        self._transaction = transaction
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Count from now on."""
        self._task = asyncio.create_task(self._sum_for_ever(), name="summing")

    async def stop(self) -> None:
        """Count no more."""
        await end(self._task)

    async def _sum_for_ever(self) -> None:
        while True:
            try:
                if await self.sum_one(now()) is not None:
                    continue
            except Exception as error:
                log.warning("summing_postponed", reason=str(error) or type(error).__name__, exc_info=True)
            await asyncio.sleep(self._every_s)

    async def sum_one(self, moment: datetime) -> date | None:
        """Count one day that is due; None where none is, or another replica is at it."""
        async with self._transaction() as driver:
            if not await driver.fetchval(_LOCK):
                return None
            last: date | None = await driver.fetchval(_LAST)
            earliest = (moment - AGAIN_UNTIL).date()
            day = await self._next_new(driver, last, moment)
            if day is None:
                day = await driver.fetchval(_AGAIN, earliest, moment - AGAIN_EVERY)
            if day is None:
                return None
            bounds = (first_of(day), first_of(day + timedelta(days=1)))
            for table, statement in (("file_days", _SUM_FILES), ("analysis_days", _SUM_ANALYSES)):
                await driver.execute(f"DELETE FROM {table} WHERE day = $1", day)  # noqa: S608  # one of two names
                await driver.execute(statement, day, *bounds)
            empty = day if last is None or day <= last else max(last + timedelta(days=1), earliest)
            await driver.execute(
                _NOTE, datetime.combine(min(empty, day), time()), datetime.combine(day, time()), moment
            )
        return day

    async def _next_new(self, driver: Driver, last: date | None, moment: datetime) -> date | None:
        begin = UUID(int=0) if last is None else first_of(last + timedelta(days=1))
        lowest: UUID | None = await driver.fetchval(_LOWEST, begin)
        if lowest is None:
            return None
        born = made_at(lowest)
        # An id that tells no time is no reason to count anything.
        if born is None:
            return None
        return born.date() if begin_of(born.date()) + timedelta(days=1) + SETTLED <= moment else None
