"""Files as local copies: one download for each file and host, shared by all analyzers of all workers there.

entries/<key>/content      the bytes; <key> is the hash of owner and sha256, so owners share nothing
entries/<key>/<file_id>    empty: a file that has these bytes, to find them when it is deleted
leases/<pid>-<n>           a second name of the content for as long as somebody reads it
locks/<000 … fff>          who downloads
"""

import asyncio
import contextlib
import fcntl
import hashlib
import itertools
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import structlog
from botocore.exceptions import ClientError

from assay.inference import metrics
from assay.inference.domain import Analysis
from assay.inference.errors import FileCorruptError, FileMissingError
from assay.inference.scratch import is_owner_alive
from assay.sdk import Media
from assay.shared.objects import ObjectStore

log = structlog.get_logger(__name__)

POLL_S = 0.02
CONTENT = "content"


class FileCache:
    """A folder with a size limit, used by several processes at once."""

    def __init__(self, folder: Path, store: ObjectStore, *, max_bytes: int) -> None:
        self._folder = folder.absolute()
        self._entries = self._folder / "entries"
        self._leases = self._folder / "leases"
        self._locks = self._folder / "locks"
        self._store = store
        self._max_bytes = max_bytes
        self._added = 0
        self._numbers = itertools.count()

    async def open(self) -> None:
        """Make the folder, and clear away what dead processes left in it."""
        await asyncio.to_thread(self._prepare_folder)

    @asynccontextmanager
    async def lease(self, analysis: Analysis) -> AsyncIterator[Media]:
        """The analysis' file, on disk for the block.

        Raises FileMissingError, FileCorruptError, StorageError and, where the disk is full, OSError.
        """
        path = self._leases / f"{os.getpid()}-{next(self._numbers)}"
        try:
            await self._obtain(analysis, path)
            yield Media(path, analysis.media_type, analysis.size, analysis.sha256)
        finally:
            path.unlink(missing_ok=True)

    async def forget(self, file_id: UUID) -> None:
        """Remove the bytes of a deleted file. Who reads them at this moment keeps his copy until he is done."""
        await asyncio.to_thread(self._forget, str(file_id))

    async def _obtain(self, analysis: Analysis, path: Path) -> None:
        key = _key(analysis)
        entry = self._entries / key
        if await asyncio.to_thread(self._link, entry, path, analysis.file_id):
            metrics.CACHE.labels(outcome="hit").inc()
            return
        async with self._locked(key):
            if await asyncio.to_thread(self._link, entry, path, analysis.file_id):
                metrics.CACHE.labels(outcome="hit").inc()
                return
            metrics.CACHE.labels(outcome="miss").inc()
            await self._download(analysis, path)
            await asyncio.to_thread(self._keep, entry, path, analysis.file_id)
        self._added += analysis.size
        if self._added > self._max_bytes // 16:
            self._added = 0
            await asyncio.to_thread(self._evict)

    async def _download(self, analysis: Analysis, path: Path) -> None:
        try:
            await self._store.download(analysis.object_key, path)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise FileMissingError from error
            raise
        if await asyncio.to_thread(_sha256, path) != analysis.sha256:
            raise FileCorruptError("The bytes in storage are not those that were uploaded. Upload the file again.")

    @asynccontextmanager
    async def _locked(self, key: str) -> AsyncIterator[None]:
        """Alone among all processes. Asks again and again, so that it can be cancelled."""
        descriptor = os.open(self._locks / key[:3], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    await asyncio.sleep(POLL_S)
            yield
        finally:
            os.close(descriptor)

    # What follows touches the disk and runs in threads.

    def _prepare_folder(self) -> None:
        for folder in (self._entries, self._leases, self._locks):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for lease in self._leases.iterdir():
            if not is_owner_alive(lease.name):
                lease.unlink(missing_ok=True)
        self._evict()

    def _link(self, entry: Path, path: Path, file_id: UUID) -> bool:
        try:
            os.link(entry / CONTENT, path)
            os.utime(path)
            (entry / str(file_id)).touch()
        except FileNotFoundError:
            # Not there, or evicted between the lines. What was linked is whole all the same.
            return path.exists()
        return True

    def _keep(self, entry: Path, path: Path, file_id: UUID) -> None:
        path.chmod(0o400)
        entry.mkdir(exist_ok=True, mode=0o700)
        (entry / str(file_id)).touch()
        with contextlib.suppress(FileExistsError):
            os.link(path, entry / CONTENT)

    def _forget(self, file_id: str) -> None:
        for entry in self._entries.iterdir():
            if (entry / file_id).exists():
                shutil.rmtree(entry, ignore_errors=True)

    def _evict(self) -> None:
        """Remove the longest unused until nine tenths of the limit are left, where it is passed."""
        found = []
        for entry in self._entries.iterdir():
            try:
                status = (entry / CONTENT).stat()
            except FileNotFoundError:
                continue
            found.append((status.st_mtime, status.st_size, entry))
        total = sum(size for _, size, _ in found)
        if total <= self._max_bytes:
            return
        for _, size, entry in sorted(found):
            if total <= self._max_bytes * 9 // 10:
                break
            shutil.rmtree(entry, ignore_errors=True)
            total -= size
        log.info("file_cache_evicted", bytes_left=total)


def _key(analysis: Analysis) -> str:
    return hashlib.sha256(f"{analysis.owner_id}\0{analysis.sha256}".encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
