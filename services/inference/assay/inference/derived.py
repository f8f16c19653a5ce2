"""Files that an analyzer found inside another: stored, and announced before the verdict that names them.

**Limits.** One analysis takes out so many files and bytes; so does an uploaded file with all that is inside it, however
deep. Workers share no counter: each announced file carries what may still be found inside it, a share of its parent's.
What is beyond the limits is cut off here, whatever the analyzer thought of its room.

**Ids** are made of the run, the analyzer and the bytes. A second attempt announces the same files again, which changes
nothing, and the same bytes are announced once.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from assay.contracts import AnalyzerManifest, FileDerived
from assay.contracts.topics import FILES, FILES_BULK
from assay.inference import metrics
from assay.inference.domain import Analysis, Deletions
from assay.inference.errors import AnalyzerBrokenError, FileDeletedError
from assay.inference.settings import DerivedSettings
from assay.sdk import NO_ROOM, DerivedFile, Evidence, Room
from assay.sdk.derived import TOO_LARGE, TOO_MANY, not_examined
from assay.shared import tracing
from assay.shared.catalog import AnalyzerTable
from assay.shared.clock import now
from assay.shared.kafka import Publisher
from assay.shared.objects import ObjectStore, StorageError

if TYPE_CHECKING:
    from assay.shared.media_types import MediaTypes

log = structlog.get_logger(__name__)

MEGABYTE = 1 << 20
STORED_AS = "application/octet-stream"
STORED_AT_ONCE = 8
MEMORY_SHARE = 2
"""The room's bytes are at most this part of what a child process may take: it holds them while it unpacks more."""


class TypeReader:
    """Tells media types. Its model is loaded with the first file: most workers never see one."""

    def __init__(self) -> None:
        self._loading = asyncio.Lock()
        self._model: MediaTypes | None = None

    async def of(self, data: memoryview) -> str:
        """The media type of a whole file."""
        from assay.shared.media_types import Sample

        async with self._loading:
            if self._model is None:
                self._model = await asyncio.to_thread(_load_media_types)
        sample = Sample()
        sample.add(data)
        return (await self._model.of(sample)).name


@dataclass(frozen=True, slots=True)
class Found:
    """A file that will be announced."""

    data: memoryview
    sha256: str
    file_id: UUID
    run_id: UUID

    @property
    def object_key(self) -> str:
        return f"files/{self.file_id}/content"


class Derivations:
    """What one analyzer takes out of files."""

    def __init__(
        self,
        manifest: AnalyzerManifest,
        settings: DerivedSettings,
        *,
        memory_mb: int,
        store: ObjectStore,
        publisher: Publisher,
        catalog: AnalyzerTable,
        types: TypeReader,
        deletions: Deletions,
    ) -> None:
        """memory_mb: what a child process may take."""
        self._manifest = manifest
        self._settings = settings
        self._bytes = min(settings.max_mb, memory_mb // MEMORY_SHARE) * MEGABYTE
        self._store = store
        self._publisher = publisher
        self._catalog = catalog
        self._types = types
        self._deletions = deletions

    def room(self, analysis: Analysis) -> Room:
        """How much the analyzer may take out of this file."""
        return self._room(analysis, self._share(analysis)) if self._manifest.derives else NO_ROOM

    async def announce(
        self, analysis: Analysis, files: Sequence[DerivedFile]
    ) -> tuple[tuple[UUID, ...], tuple[Evidence, ...]]:
        """Store and announce what was found inside; when this returns, Kafka has it.

        Returns the files' ids, in order, and a sentence on what was cut off, where anything was. Raises
        AnalyzerBrokenError where the manifest says nothing of deriving, FileDeletedError, and what may pass (storage or
        Kafka away). When the file is deleted meanwhile, what was stored is removed again.
        """
        if not files:
            return (), ()
        if not self._manifest.derives:
            raise AnalyzerBrokenError("it found files inside, and its manifest does not say `derives`")
        with tracing.step("derive"):
            await self._catalog.until_read()
            share = self._share(analysis)
            found, left_out = await asyncio.to_thread(_within, self._room(analysis, share), analysis, files)
            events = await self._events(analysis, share, found)
            try:
                await self._stored(found)
                if analysis.file_id in self._deletions:
                    raise FileDeletedError
                await self._said(events, FILES.name if analysis.urgent else FILES_BULK.name)
            except BaseException:
                if analysis.file_id in self._deletions:
                    await self._remove(found)
                raise
        name, cut = self._manifest.name, left_out.total()
        metrics.DERIVED.labels(analyzer=name, outcome="announced").inc(len(found))
        metrics.DERIVED.labels(analyzer=name, outcome="left_out").inc(cut)
        log.info("files_derived", analyzer=name, run_id=analysis.run_id, announced=len(found), left_out=cut)
        return tuple(each.file_id for each in found), not_examined(dict(left_out), of=len(found) + cut)

    def _room(self, analysis: Analysis, share: Room) -> Room:
        if analysis.depth >= self._settings.max_depth:
            return NO_ROOM
        return Room(min(self._settings.max_files, share.files), min(self._bytes, share.bytes))

    def _share(self, analysis: Analysis) -> Room:
        """What this analyzer may take out of the file and all that is inside it: analyzers that derive share evenly."""
        files, size = self._settings.tree_files, self._settings.tree_mb * MEGABYTE
        if analysis.room_files is not None:
            files = min(files, analysis.room_files)
        if analysis.room_bytes is not None:
            size = min(size, analysis.room_bytes)
        sharing = len({self._manifest.name, *_deriving(analysis.plan, self._catalog.known)})
        return Room(files // sharing, size // sharing)

    async def _events(self, analysis: Analysis, share: Room, found: Sequence[Found]) -> list[FileDerived]:
        """The announcements. What is left of the share goes in equal parts to those files that may be opened."""
        known = self._catalog.known
        types = [await self._types.of(each.data) for each in found]
        plans = [self._plan(analysis, each, kind, known) for each, kind in zip(found, types, strict=True)]
        has_room = [analysis.depth + 1 < self._settings.max_depth and bool(_deriving(plan, known)) for plan in plans]
        count = max(1, sum(has_room))
        files = (share.files - len(found)) // count
        size = (share.bytes - sum(len(each.data) for each in found)) // count
        return [
            FileDerived(
                occurred_at=now(),
                file_id=each.file_id,
                owner_id=analysis.owner_id,
                parent_file_id=analysis.file_id,
                parent_run_id=analysis.run_id,
                derived_by=self._manifest.name,
                depth=analysis.depth + 1,
                media_type=kind,
                size=len(each.data),
                sha256=each.sha256,
                object_key=each.object_key,
                run_id=each.run_id,
                plan=plan,
                deadline=analysis.deadline,
                room_files=files if roomy else 0,
                room_bytes=size if roomy else 0,
            )
            for each, kind, plan, roomy in zip(found, types, plans, has_room, strict=True)
        ]

    def _plan(
        self, analysis: Analysis, found: Found, media_type: str, known: Mapping[str, AnalyzerManifest]
    ) -> tuple[str, ...]:
        takers = {each.name for each in known.values() if each.takes(media_type) and len(found.data) <= each.max_bytes}
        if found.sha256 == analysis.sha256:
            takers.discard(self._manifest.name)  # it would find itself again
        return tuple(sorted(takers))

    async def _stored(self, found: Sequence[Found]) -> None:
        for start in range(0, len(found), STORED_AT_ONCE):
            work = asyncio.gather(
                *(
                    self._store.put(each.object_key, each.data, media_type=STORED_AS)
                    for each in found[start : start + STORED_AT_ONCE]
                ),
                return_exceptions=True,
            )
            try:
                failed = [each for each in await asyncio.shield(work) if each is not None]
            except asyncio.CancelledError:
                # Threads do not stop: what they store now must not come after it was removed.
                await asyncio.wait([work])
                raise
            if failed:
                raise failed[0]

    async def _said(self, events: Sequence[FileDerived], topic: str) -> None:
        stored = [await self._publisher.hand_over(event, topic=topic) for event in events]
        await asyncio.gather(*stored)

    async def _remove(self, found: Sequence[Found]) -> None:
        for each in found:
            try:
                await self._store.delete(each.object_key)
            except StorageError as error:
                log.warning("derived_file_not_removed", object_key=each.object_key, reason=str(error))


def _load_media_types() -> "MediaTypes":
    from assay.shared.media_types import MediaTypes

    return MediaTypes()


def _deriving(plan: Sequence[str], known: Mapping[str, AnalyzerManifest]) -> list[str]:
    return [name for name in plan if name in known and known[name].derives]


def _within(room: Room, analysis: Analysis, files: Sequence[DerivedFile]) -> tuple[list[Found], Counter[str]]:
    """What of it there is room for, hashed, and how much is left out, by reason. Empty files and copies are neither."""
    found: dict[str, Found] = {}
    left_out: Counter[str] = Counter()
    left = room.bytes
    for each in files:
        data = memoryview(each.data).cast("B")
        if len(data) == 0:
            continue
        if len(found) >= room.files:
            left_out[TOO_MANY] += 1
            continue
        if len(data) > left:
            left_out[TOO_LARGE] += 1
            continue
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 not in found:
            left -= len(data)
            found[sha256] = Found(data, sha256, _id_of("file", analysis, sha256), _id_of("run", analysis, sha256))
    return list(found.values()), left_out


def _id_of(kind: str, analysis: Analysis, sha256: str) -> UUID:
    """A UUIDv7 with the time of the parent's run; the rest is a hash, so it is the same at every attempt."""
    name = f"{analysis.run_id}/{analysis.analyzer}/{kind}/{sha256}"
    value = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "big")
    value = (analysis.run_id.int >> 80 << 80) | (value & ((1 << 80) - 1))
    value = value & ~(0xF << 76) | (7 << 76)
    return UUID(int=value & ~(0x3 << 62) | (0x2 << 62))
