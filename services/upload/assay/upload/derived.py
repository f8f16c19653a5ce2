"""Files that analyzers found inside others. Their bytes never came through here; what is known of them does."""

import structlog

from assay.contracts import FileDerived
from assay.shared.database import Transaction
from assay.upload.catalog import Catalog
from assay.upload.domain import NAMELESS, Run, StoredFile, versioned
from assay.upload.erasing.repository import ErasureRepository
from assay.upload.erasing.service import Erasing
from assay.upload.repository import FileRepository

log = structlog.get_logger(__name__)


class DerivedFiles:
    """Writes derived files down, so that they can have further runs like any other."""

    def __init__(self, *, transaction: Transaction, catalog: Catalog, erasing: Erasing) -> None:
        self._transaction = transaction
        self._catalog = catalog
        self._erasing = erasing

    async def record(self, event: FileDerived, lane: str) -> None:
        """Write a derived file and its first run. Redelivery is safe: what is there stays as it is.

        One that was erased stays so; one whose parent was erased goes the same way at once.
        lane: the topic that the event came by.
        """
        known = self._catalog.known
        file = StoredFile(
            file_id=event.file_id,
            owner_id=event.owner_id,
            object_key=event.object_key,
            filename=NAMELESS,
            declared_media_type=None,
            media_type=event.media_type,
            size=event.size,
            sha256=event.sha256,
        )
        run = Run(
            run_id=event.run_id,
            run_number=1,
            plan=event.plan,
            versions=tuple(versioned(known[name]) for name in event.plan if name in known),
            lane=lane,
            requested_at=event.occurred_at,
            deadline=event.deadline,
        )
        async with self._transaction() as session:
            erased = ErasureRepository(session)
            await erased.share(event.parent_file_id)
            if await erased.marked(file.file_id) is not None:
                return
            is_orphan = await erased.marked(event.parent_file_id) is not None
            if await FileRepository(session).add_derived(file, event.parent_file_id, run):
                log.info("derived_file_recorded", file_id=str(file.file_id), parent_file_id=str(event.parent_file_id))
            if is_orphan:
                await self._erasing.erase_in(session, [file.file_id])
        if is_orphan:
            self._erasing.news.set()
