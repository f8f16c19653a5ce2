"""What one owner may have: bytes stored, files a day, files being examined; and how many requests a minute.

A quota holds exactly, whatever comes at once at however many replicas: the transaction that adds to what an owner has
takes the owner's lock, then reads, then adds. Without quotas nobody takes that lock. What an owner has is counted all
the same, by the database; so a quota holds from the moment it is set.

Where it is clear beforehand, a request is refused before its body is read. That look takes no lock: it is a courtesy.
"""

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from assay.shared.clock import now
from assay.shared.database import Transaction
from assay.upload.admission.domain import Usage, seconds_to_midnight
from assay.upload.admission.errors import (
    BytesQuotaError,
    FilesQuotaError,
    InFlightQuotaError,
    NotNowError,
    RateLimitedError,
)
from assay.upload.admission.repository import UsageRepository
from assay.upload.settings import QuotaSettings

log = structlog.get_logger(__name__)

MINUTE_S = 60.0
# Runs end in seconds, mostly. Bytes end when somebody erases them.
RUNS_END_S = 10.0
BYTES_END_S = 3600.0


class Quotas:
    """Of every owner the same."""

    def __init__(self, *, transaction: Transaction, settings: QuotaSettings) -> None:
        self._transaction = transaction
        self._settings = settings
        self._has_any = bool(settings.bytes or settings.files_per_day or settings.files_in_flight)

    async def pace(self, owner_id: str) -> None:
        """Count a request. Raises RateLimitedError."""
        limit = self._settings.requests_per_minute
        if not limit:
            return
        async with self._transaction() as session:
            wait_s = await UsageRepository(session).pace(owner_id, MINUTE_S / limit, MINUTE_S)
        if wait_s:
            raise RateLimitedError(
                f"You may send {limit} such requests a minute. Wait for the time that `Retry-After` tells.",
                retry_after_s=wait_s,
                limit=limit,
            )

    async def look(self, owner_id: str, size: int) -> None:
        """Refuse what cannot be taken, before it is sent. size: bytes at least; 0 where that is not known."""
        if not self._has_any:
            return
        async with self._transaction() as session:
            usage = await UsageRepository(session).of(owner_id)
        self._check(usage, files=1, size=max(size, 1))

    async def look_at_run(self, owner_id: str) -> None:
        """Refuse a further run that cannot be taken."""
        if self._settings.files_in_flight:
            async with self._transaction() as session:
                usage = await UsageRepository(session).of(owner_id)
            self._check(usage, files=0, size=0)

    async def lock(self, session: AsyncSession, owner_id: str) -> None:
        """To be taken first in a transaction that may add a file or a run."""
        if self._has_any:
            await UsageRepository(session).lock(owner_id)

    async def check_file(self, session: AsyncSession, owner_id: str, size: int) -> None:
        """Refuse a file with its first run, under the lock. Raises a NotNowError."""
        if self._has_any:
            self._check(await UsageRepository(session).of(owner_id), files=1, size=size)

    async def check_run(self, session: AsyncSession, owner_id: str) -> None:
        """Refuse a further run, under the lock. Raises InFlightQuotaError."""
        if self._settings.files_in_flight:
            self._check(await UsageRepository(session).of(owner_id), files=0, size=0)

    async def usage(self, owner_id: str) -> Usage:
        """What an owner has now."""
        async with self._transaction() as session:
            return await UsageRepository(session).of(owner_id)

    def _check(self, usage: Usage, *, files: int, size: int) -> None:
        """A file's run is in flight too."""
        problem = self._problem(usage, files, size)
        if problem is not None:
            log.info("quota_exceeded", code=problem.code)
            raise problem

    def _problem(self, usage: Usage, files: int, size: int) -> NotNowError | None:
        quota = self._settings
        if quota.files_in_flight and usage.in_flight >= quota.files_in_flight:
            return InFlightQuotaError(
                f"{usage.in_flight} of your files are being examined; there may be {quota.files_in_flight} at a time. "
                "Send this one when some of them have their reports.",
                retry_after_s=RUNS_END_S,
                limit=quota.files_in_flight,
                used=usage.in_flight,
            )
        if files and quota.files_per_day and usage.files_today >= quota.files_per_day:
            return FilesQuotaError(
                f"You may upload {quota.files_per_day} files a day. The next day begins at midnight UTC.",
                retry_after_s=seconds_to_midnight(now()),
                limit=quota.files_per_day,
                used=usage.files_today,
            )
        if size and quota.bytes and usage.bytes + size > quota.bytes:
            return BytesQuotaError(
                f"You may have {quota.bytes} bytes stored and have {usage.bytes}. Delete files that you do not need, "
                "or ask the operator for more room.",
                retry_after_s=BYTES_END_S,
                limit=quota.bytes,
                used=usage.bytes,
            )
        return None
