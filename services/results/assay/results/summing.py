"""Adds what transactions changed in the tallies to the tallies.

Who writes rows appends to `tally_changes`, in the same transaction, what that changes (`tallying.py`): so writers do
not wait for one another. Here these changes are taken away again and added to `tallies`, where each owner, and
everybody together, has one row for a day and a subject, and one for all days. It is done in one transaction, so whoever
reads both tables at one moment counts everything once. One replica does it at a time.
"""

import asyncio
import json
from collections import Counter, defaultdict

import structlog

from assay.results.tallying import EVERYBODY, WHOLE, Key, encoded
from assay.shared.database import DriverTransaction
from assay.shared.tasks import end

log = structlog.get_logger(__name__)

EVERY_S = 2.0
AT_ONCE = 5000
"""Changes that one transaction takes."""
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('assay.results.summing'))"
_TAKE = """
    DELETE FROM tally_changes WHERE ctid = ANY(ARRAY(SELECT ctid FROM tally_changes LIMIT $1))
    RETURNING owner_id, day, subject, counts::text
"""
_KNOWN = """
    SELECT owner_id, day, subject, counts::text FROM tallies
    WHERE (owner_id, day, subject) IN (SELECT * FROM unnest($1::text[], $2::date[], $3::text[]))
"""
_PUT = """
    INSERT INTO tallies (owner_id, day, subject, counts)
    SELECT owner_id, day, subject, counts::jsonb
    FROM unnest($1::text[], $2::date[], $3::text[], $4::text[]) AS new (owner_id, day, subject, counts)
    ON CONFLICT (owner_id, day, subject) DO UPDATE SET counts = excluded.counts
"""
_REMOVE = """
    DELETE FROM tallies
    WHERE (owner_id, day, subject) IN (SELECT * FROM unnest($1::text[], $2::date[], $3::text[]))
"""


class Summing:
    """Adds changes in the background."""

    def __init__(self, transaction: DriverTransaction, *, every_s: float = EVERY_S) -> None:
        self._transaction = transaction
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Add from now on."""
        self._task = asyncio.create_task(self._sum_for_ever(), name="summing")

    async def stop(self) -> None:
        """Add no more."""
        await end(self._task)

    async def _sum_for_ever(self) -> None:
        while True:
            try:
                while await self.sum_some() >= AT_ONCE:
                    pass
            except Exception as error:
                log.warning("summing_postponed", reason=str(error) or type(error).__name__, exc_info=True)
            await asyncio.sleep(self._every_s)

    async def sum_some(self) -> int:
        """Add the changes that there are, up to AT_ONCE; their number, 0 too where another replica is at it."""
        async with self._transaction() as driver:
            if not await driver.fetchval(_LOCK):
                return 0
            taken = await driver.fetch(_TAKE, AT_ONCE)
            if not taken:
                return 0
            sums: defaultdict[Key, Counter[str]] = defaultdict(Counter)
            for owner_id, day, subject, counts in taken:
                change = json.loads(counts)
                for key in {(whose, when, subject) for whose in (owner_id, EVERYBODY) for when in (day, WHOLE)}:
                    sums[key].update(change)
            keys = list(sums)
            for owner_id, day, subject, counts in await driver.fetch(_KNOWN, *zip(*keys, strict=True)):
                sums[owner_id, day, subject].update(json.loads(counts))
            left = {key: {name: number for name, number in sums[key].items() if number} for key in keys}
            kept = [(*key, encoded(counts)) for key, counts in left.items() if counts]
            gone = [key for key, counts in left.items() if not counts]
            if kept:
                await driver.execute(_PUT, *zip(*kept, strict=True))
            if gone:
                await driver.execute(_REMOVE, *zip(*gone, strict=True))
        return len(taken)
