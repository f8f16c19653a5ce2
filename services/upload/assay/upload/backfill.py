"""An analyzer reaches the files that were there before it, or before its version: one page after the other.

A page is short, its runs are committed in small transactions, and whoever drives it keeps the cursor. So nothing is
held up for long, and a backfill that was broken off is begun again: files that were asked for are skipped.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from assay.contracts import AnalyzerManifest
from assay.contracts.topics import FILES_BULK
from assay.shared.clock import now
from assay.shared.database import Transaction
from assay.shared.ids import new_id
from assay.shared.outbox import Outbox
from assay.upload import metrics
from assay.upload.catalog import Catalog
from assay.upload.domain import Run, versioned
from assay.upload.outages import storage_errors
from assay.upload.repository import FileRepository

log = structlog.get_logger(__name__)

PAGE = 500
TOGETHER = 50
LONGEST_REST_S = 0.2
AGAIN = "The database does not answer. Go on in a minute: what was requested is skipped then."


@dataclass(frozen=True, slots=True)
class Selection:
    """Which files. media_type: exact, or `image/*`; since: uploaded then or later; after: ids above this one."""

    media_type: str | None = None
    since: datetime | None = None
    after: UUID | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What came of a page. `after`: where the next one begins; None at the end."""

    requested: int
    skipped: int
    after: UUID | None


class Backfill:
    """Requests runs with one analyzer, in the lane of what can wait."""

    def __init__(self, *, transaction: Transaction, outbox: Outbox, catalog: Catalog, run_deadline: timedelta) -> None:
        self._transaction = transaction
        self._outbox = outbox
        self._catalog = catalog
        self._run_deadline = run_deadline

    async def page(self, name: str, selection: Selection, *, limit: int, dry_run: bool) -> Page:
        """Go through the next 500 files that the analyzer takes, and request at most `limit` runs.

        A file that had a run by this version of the analyzer is skipped. Raises UnknownAnalyzerError.
        """
        analyzer = self._catalog.of_name(name)
        with storage_errors(AGAIN):
            page = await self._page(analyzer, selection, limit, dry_run=dry_run)
        log.info("backfill_page", analyzer=name, requested=page.requested, skipped=page.skipped, dry_run=dry_run)
        return page

    async def _page(self, analyzer: AnalyzerManifest, selection: Selection, limit: int, *, dry_run: bool) -> Page:
        async with self._transaction() as session:
            file_ids = await FileRepository(session).next_taken(
                analyzer, media_type=selection.media_type, since=selection.since, after=selection.after, limit=PAGE
            )
        requested = skipped = 0
        after: UUID | None = None
        for start in range(0, len(file_ids), TOGETHER):
            some = file_ids[start : start + TOGETHER]
            began = time.monotonic()
            done = await self._request(analyzer, some, limit - requested, dry_run=dry_run)
            requested, skipped, after = requested + done.requested, skipped + done.skipped, done.after
            if requested >= limit:
                break
            # As much time for everybody else: people upload to this process meanwhile.
            await asyncio.sleep(min(LONGEST_REST_S, time.monotonic() - began))
        was_last = after is None or (after == file_ids[-1] and len(file_ids) < PAGE)
        return Page(requested, skipped, None if was_last else after)

    async def _request(
        self, analyzer: AnalyzerManifest, file_ids: Sequence[UUID], limit: int, *, dry_run: bool
    ) -> Page:
        """One transaction. `after` is the last file that was looked at."""
        async with self._transaction() as session:
            files = FileRepository(session)
            # After the lock, in a statement of its own: it sees what another backfill has just committed.
            locked = [] if dry_run else await files.lock(file_ids)
            asked = await files.asked_already(file_ids, versioned(analyzer))
            missing = [each for each in file_ids if each not in asked][:limit]
            after = missing[-1] if len(missing) == limit else file_ids[-1]
            skipped = sum(each in asked for each in file_ids if each <= after)
            if dry_run or not missing:
                return Page(len(missing), skipped, after)
            numbers = await files.last_run_numbers(missing)
            wanted = set(missing)
            moment = now()
            runs = [
                (
                    file,
                    Run(
                        run_id=new_id(),
                        run_number=numbers.get(file.file_id, 0) + 1,
                        plan=(analyzer.name,),
                        versions=(versioned(analyzer),),
                        lane=FILES_BULK.name,
                        requested_at=moment,
                        deadline=moment + self._run_deadline,
                    ),
                )
                for file in locked
                if file.file_id in wanted
            ]
            if runs:
                await files.add_runs((file.file_id, run) for file, run in runs)
                await self._outbox.add_all(
                    session, [run.requested(file) for file, run in runs], topics=(FILES_BULK.name,)
                )
        metrics.RUNS.labels(topic=FILES_BULK.name).inc(len(runs))
        return Page(len(runs), skipped, after)
