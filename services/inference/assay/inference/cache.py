"""Files as local copies: one download for each file and host, shared by all analyzers of all workers there.

contents/<key>             the bytes; <key> is the hash of owner and sha256, so owners share nothing
names/<file_id>.<key>      another name of them: a file that has these bytes, to find them when it is deleted
leases/<pid>-<n>           another one for as long as somebody reads them
locks/<000 … fff>          who downloads

So a file costs one inode: to make one costs more than to name it again, where many are made and removed.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Set
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID
from weakref import WeakValueDictionary

import structlog

from assay.inference import metrics
from assay.inference.domain import Analysis
from assay.inference.errors import FileCorruptError, FileMissingError
from assay.inference.scratch import is_owner_alive
from assay.sdk import Media
from assay.shared.objects import ObjectMissingError, ObjectStore

log = structlog.get_logger(__name__)

POLL_S = 0.005

_numbers = itertools.count()


class FileCache:
    """A folder with a size limit, used by several processes at once."""

    def __init__(self, folder: Path, store: ObjectStore, *, max_bytes: int) -> None:
        self._folder = folder.absolute()
        self._contents = self._folder / "contents"
        self._names = self._folder / "names"
        self._leases = self._folder / "leases"
        self._locks = self._folder / "locks"
        self._store = store
        self._max_bytes = max_bytes
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._added = 0

    async def open(self) -> None:
        """Make the folder, and clear away what dead processes left in it."""
        await asyncio.to_thread(self._prepare_folder)

    @asynccontextmanager
    async def lease(self, analysis: Analysis) -> AsyncIterator[Media]:
        """The analysis' file, on disk for the block.

        Raises FileMissingError, FileCorruptError, StorageError and, where the disk is full, OSError.
        """
        path = self._leases / f"{os.getpid()}-{next(_numbers)}"
        try:
            # Of this process one asks at a time: the others find the file the moment it is there.
            async with self._turns.setdefault(_key(analysis), asyncio.Lock()):
                # Another process may be downloading these bytes.
                while not await self._obtain(analysis, path):  # noqa: ASYNC110 - it is known by a lock on a file
                    await asyncio.sleep(POLL_S)
            yield Media(path, analysis.media_type, analysis.size, analysis.sha256)
        finally:
            path.unlink(missing_ok=True)

    async def forget(self, file_ids: Iterable[UUID]) -> None:
        """Remove the bytes of deleted files. Who reads them at this moment keeps his copy until he is done."""
        await asyncio.to_thread(self._forget, {str(each) for each in file_ids})

    async def clear(self) -> None:
        """Remove everything, likewise."""
        await asyncio.to_thread(self._clear)

    async def _obtain(self, analysis: Analysis, path: Path) -> bool:
        """Have the file at the path; False where somebody else downloads it. Cancelled, it ends its thread first."""
        wanted = True
        work = asyncio.ensure_future(self._store.in_thread(lambda: self._obtained(analysis, path, lambda: wanted)))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            wanted = False
            await asyncio.wait([work])
            if not work.cancelled():
                work.exception()
            raise

    # What follows touches the disk and the network and runs in threads: one hop for each file.

    def _obtained(self, analysis: Analysis, path: Path, is_wanted: Callable[[], bool]) -> bool:
        key = _key(analysis)
        if self._link(key, path, analysis.file_id):
            metrics.CACHE.labels(outcome="hit").inc()
            return True
        with self._locked(key) as is_ours:
            if not is_ours:
                return False
            if self._link(key, path, analysis.file_id):
                metrics.CACHE.labels(outcome="hit").inc()
                return True
            metrics.CACHE.labels(outcome="miss").inc()
            self._download(analysis, path, is_wanted)
            self._keep(key, path, analysis.file_id)
        self._added += analysis.size
        if self._added > self._max_bytes // 16:
            self._added = 0
            self._evict()
        return True

    def _download(self, analysis: Analysis, path: Path, is_wanted: Callable[[], bool]) -> None:
        try:
            sha256 = self._store.fetch(analysis.object_key, path, is_wanted)
        except ObjectMissingError as error:
            raise FileMissingError from error
        if sha256 != analysis.sha256:
            raise FileCorruptError("The bytes in storage are not those that were uploaded. Upload the file again.")

    @contextlib.contextmanager
    def _locked(self, key: str) -> Iterator[bool]:
        """True for the block where it is alone among all processes; False at once where another is in it."""
        descriptor = os.open(self._locks / key[:3], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            yield False
            return
        try:
            yield True
        finally:
            os.close(descriptor)

    def _prepare_folder(self) -> None:
        for folder in (self._contents, self._names, self._leases, self._locks):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for lease in self._leases.iterdir():
            if not is_owner_alive(lease.name):
                lease.unlink(missing_ok=True)
        self._evict()

    def _link(self, key: str, path: Path, file_id: UUID) -> bool:
        try:
            os.link(self._contents / key, path)
        except FileNotFoundError:
            return False
        os.utime(path)
        self._name(path, key, file_id)
        return True

    def _keep(self, key: str, path: Path, file_id: UUID) -> None:
        path.chmod(0o400)
        name = self._name(path, key, file_id)
        # Somebody else may have kept the same.
        with contextlib.suppress(FileExistsError):
            os.link(path, self._contents / key)
        # Forgotten between the lines: who forgets removes names first, so either he or this sees the other.
        if not os.path.lexists(name):
            (self._contents / key).unlink(missing_ok=True)

    def _name(self, path: Path, key: str, file_id: UUID) -> Path:
        name = self._names / f"{file_id}.{key}"
        with contextlib.suppress(FileExistsError):
            os.link(path, name)
        return name

    def _forget(self, file_ids: Set[str]) -> None:
        names = os.listdir(self._names)  # noqa: PTH208 - names are all that is asked for
        keys = {name.partition(".")[2] for name in names if name.partition(".")[0] in file_ids}
        self._remove(keys, names)

    def _clear(self) -> None:
        names = os.listdir(self._names)  # noqa: PTH208 - as above
        self._remove({path.name for path in self._contents.iterdir()}.union(_keys(names)), names)

    def _remove(self, keys: Set[str], names: Iterable[str]) -> None:
        """Remove these bytes under all of their names."""
        for name in names:
            if name.partition(".")[2] in keys:
                (self._names / name).unlink(missing_ok=True)
        for key in keys:
            (self._contents / key).unlink(missing_ok=True)

    def _evict(self) -> None:
        """Remove the longest unused until nine tenths of the limit are left, where it is passed."""
        names = os.listdir(self._names)  # noqa: PTH208 - as above
        found = []
        for content in self._contents.iterdir():
            with contextlib.suppress(FileNotFoundError):
                status = content.stat()
                found.append((status.st_mtime, status.st_size, content.name))
        # Named in the moment when they were removed, they would take up room for ever.
        gone = _keys(names).difference(key for _, _, key in found)
        total = sum(size for _, size, _ in found)
        if total > self._max_bytes:
            for _, size, key in sorted(found):
                if total <= self._max_bytes * 9 // 10:
                    break
                gone.add(key)
                total -= size
            log.info("file_cache_evicted", bytes_left=total)
        self._remove(gone, names)


def _keys(names: Iterable[str]) -> set[str]:
    return {name.partition(".")[2] for name in names}


def _key(analysis: Analysis) -> str:
    return hashlib.sha256(f"{analysis.owner_id}\0{analysis.sha256}".encode()).hexdigest()
