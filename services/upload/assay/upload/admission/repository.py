"""Queries about what owners have and do. Times are PostgreSQL's own, so that replicas with different clocks agree."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from assay.upload.admission.domain import Usage

LOCK_SPACE = 0x_0A56

_USAGE = text(
    """
    SELECT coalesce(u.files, 0) AS files, coalesce(u.bytes, 0) AS bytes,
           CASE WHEN u.day = (now() AT TIME ZONE 'UTC')::date THEN u.files_of_day ELSE 0 END AS files_today,
           (SELECT count(*) FROM runs WHERE asked_by = :owner AND status IS NULL AND deadline > now()) AS in_flight
    FROM (SELECT 1) AS one LEFT JOIN usage AS u ON u.owner_id = :owner
    """
)
# Each request moves `due` on by the time that one takes at the allowed pace. It may run ahead of the clock by a minute,
# which is what may come at once.
_PACE = text(
    """
    INSERT INTO rates AS r (owner_id, due) VALUES (:owner, now() + make_interval(secs => :each))
    ON CONFLICT (owner_id) DO UPDATE SET due = greatest(r.due, now()) + make_interval(secs => :each)
    WHERE greatest(r.due, now()) + make_interval(secs => :each) <= now() + make_interval(secs => :burst)
    RETURNING due
    """
)
_WAIT = text(
    """
    SELECT extract(epoch FROM due - now()) + :each - :burst FROM rates WHERE owner_id = :owner
    """
)
_COMPLETE = text(
    """
    UPDATE runs SET status = heard.status
    FROM unnest(CAST(:runs AS uuid[]), CAST(:statuses AS text[])) AS heard (run_id, status)
    WHERE runs.run_id = heard.run_id AND runs.status IS NULL
    """
)


class UsageRepository:
    """Of all owners."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def lock(self, owner_id: str) -> None:
        """Until the transaction ends, nobody else who asks for this lock adds to what the owner has."""
        await self._session.execute(
            text("SELECT pg_advisory_xact_lock(:space, hashtext(:owner))"), {"space": LOCK_SPACE, "owner": owner_id}
        )

    async def of(self, owner_id: str) -> Usage:
        """What the owner has. Files of open transactions are not in it, the caller's own neither."""
        row = (await self._session.execute(_USAGE, {"owner": owner_id})).one()
        return Usage(row.files, row.bytes, row.files_today, row.in_flight)

    async def pace(self, owner_id: str, each_s: float, burst_s: float) -> float:
        """Count a request; returns 0, or in how many seconds the next one is due where this one comes too early."""
        paced = {"owner": owner_id, "each": each_s, "burst": burst_s}
        if (await self._session.execute(_PACE, paced)).first() is not None:
            return 0.0
        return max(0.001, float(await self._session.scalar(_WAIT, paced) or 0.0))

    async def complete(self, statuses: Mapping[UUID, str]) -> None:
        """Write how runs have ended; the first end of a run is the one that counts."""
        await self._session.execute(
            _COMPLETE, {"runs": [str(each) for each in statuses], "statuses": list(statuses.values())}
        )
