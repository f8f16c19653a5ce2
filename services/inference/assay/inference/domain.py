"""What an analysis is, and which files are gone. No clients, no threads."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from assay.contracts import FileDerived, RunRequested

REMEMBERED_DELETIONS = 100_000

Request = RunRequested | FileDerived


@dataclass(frozen=True, slots=True)
class Analysis:
    """One analyzer's work in one run."""

    file_id: UUID
    owner_id: str
    run_id: UUID
    analyzer: str
    deadline: datetime
    media_type: str
    size: int
    sha256: str
    object_key: str
    urgent: bool = True
    plan: tuple[str, ...] = ()
    depth: int = 0
    room_files: int | None = None
    room_bytes: int | None = None
    same_bytes: tuple[UUID, ...] = ()

    @classmethod
    def of(cls, request: Request, analyzer: str, *, urgent: bool = True) -> "Analysis":
        """The analysis that a request asks of this analyzer. urgent: a person waits for it."""
        return cls(
            file_id=request.file_id,
            owner_id=request.owner_id,
            run_id=request.run_id,
            analyzer=analyzer,
            deadline=request.deadline,
            media_type=request.media_type,
            size=request.size,
            sha256=request.sha256,
            object_key=request.object_key,
            urgent=urgent,
            plan=request.plan,
            depth=request.depth if isinstance(request, FileDerived) else 0,
            room_files=request.room_files if isinstance(request, FileDerived) else None,
            room_bytes=request.room_bytes if isinstance(request, FileDerived) else None,
            same_bytes=request.same_bytes if isinstance(request, RunRequested) else (),
        )

    def artifact_key(self, name: str) -> str:
        """S3 key of one of its artifacts: the same at every attempt, so a second one replaces the first."""
        return f"files/{self.file_id}/runs/{self.run_id}/{self.analyzer}/{name}"


class Deletions:
    """Files known to be deleted, the latest ones, and what runs on files that may be deleted any moment."""

    def __init__(self, remembered: int = REMEMBERED_DELETIONS) -> None:
        self._remembered = remembered
        self._deleted: OrderedDict[UUID, None] = OrderedDict()
        self._running: dict[UUID, set[asyncio.Timeout]] = {}

    def __contains__(self, file_id: UUID) -> bool:
        return file_id in self._deleted

    def note(self, file_id: UUID) -> bool:
        """Remember the file as deleted, and end what runs on it; False where it was known."""
        is_news = file_id not in self._deleted
        self._deleted[file_id] = None
        self._deleted.move_to_end(file_id)
        while len(self._deleted) > self._remembered:
            self._deleted.popitem(last=False)
        now = asyncio.get_running_loop().time()
        for scope in self._running.get(file_id, set()):
            if not scope.expired():
                scope.reschedule(now)
        return is_news

    @contextmanager
    def ending(self, file_id: UUID, scope: asyncio.Timeout) -> Iterator[None]:
        """While the block runs, a deletion of the file ends it: `scope`, which is entered, expires."""
        self._running.setdefault(file_id, set()).add(scope)
        try:
            yield
        finally:
            self._running[file_id].discard(scope)
            if not self._running[file_id]:
                del self._running[file_id]
