"""One download for each file and host, verified, bounded, forgotten on request."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.inference.cache import FileCache
from assay.inference.domain import Analysis
from assay.inference.errors import FileCorruptError, FileMissingError
from assay.shared.objects import ObjectStore
from inference.lab import Lab


class CountingStore(ObjectStore):
    """The real store; counts what it downloads."""

    downloads = 0

    def fetch(self, key: str, path: Path, is_wanted: Callable[[], bool] = lambda: True) -> str:
        self.downloads += 1
        return super().fetch(key, path, is_wanted)


@pytest.fixture
def store(lab: Lab) -> CountingStore:
    return CountingStore(lab.s3)


async def opened(folder: Path, store: ObjectStore, max_bytes: int = 1 << 30) -> FileCache:
    cache = FileCache(folder, store, max_bytes=max_bytes)
    await cache.open()
    return cache


async def stored(lab: Lab, content: bytes, **changes: Any) -> Analysis:
    return Analysis.of(await lab.put(content, **changes), "hostile")


async def read(cache: FileCache, analysis: Analysis) -> bytes:
    async with cache.lease(analysis) as media:
        assert (media.size, media.sha256) == (analysis.size, analysis.sha256)
        return media.path.read_bytes()


def contents_of(folder: Path) -> list[Path]:
    return list(folder.glob("contents/*"))


def contents(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in contents_of(folder))


def names(folder: Path) -> set[str]:
    """The ids of the files whose bytes are kept."""
    return {path.name.partition(".")[0] for path in folder.glob("names/*")}


def leases(folder: Path) -> list[Path]:
    return list(folder.glob("leases/*"))


async def test_all_who_ask_at_once_share_one_download(lab: Lab, store: CountingStore, tmp_path: Path) -> None:
    analysis = await stored(lab, b"shared" * 100_000)
    # Two caches on one folder, as two workers on one host have them.
    caches = [await opened(tmp_path, store), await opened(tmp_path, store)]
    read_bytes = await asyncio.gather(*(read(caches[number % 2], analysis) for number in range(10)))
    assert set(read_bytes) == {b"shared" * 100_000}
    assert store.downloads == 1
    assert leases(tmp_path) == []


async def test_owners_share_nothing(lab: Lab, store: CountingStore, tmp_path: Path) -> None:
    cache = await opened(tmp_path, store)
    for owner in ("anna", "bert"):
        await read(cache, await stored(lab, b"same", owner=owner))
    assert store.downloads == 2


async def test_bytes_with_another_hash_are_not_kept(lab: Lab, store: CountingStore, tmp_path: Path) -> None:
    cache = await opened(tmp_path, store)
    with pytest.raises(FileCorruptError):
        await read(cache, await stored(lab, b"swapped", sha256=hashlib.sha256(b"other").hexdigest()))
    with pytest.raises(FileMissingError):
        await read(cache, await stored(lab, b"never stored", stored=False))
    assert contents(tmp_path) == []
    assert leases(tmp_path) == []


async def test_the_longest_unused_goes_first(lab: Lab, store: CountingStore, tmp_path: Path) -> None:
    cache = await opened(tmp_path, store, max_bytes=3500)
    files = {letter: await stored(lab, letter * 1000) for letter in (b"a", b"b", b"c", b"d")}
    for letter in (b"a", b"b", b"c", b"a", b"d"):
        await read(cache, files[letter])
    assert contents(tmp_path) == [b"a" * 1000, b"c" * 1000, b"d" * 1000]
    assert names(tmp_path) == {str(files[letter].file_id) for letter in (b"a", b"c", b"d")}


async def test_a_deleted_file_is_forgotten_but_not_taken_from_its_reader(
    lab: Lab, store: CountingStore, tmp_path: Path
) -> None:
    cache = await opened(tmp_path, store)
    analysis, other = await stored(lab, b"going"), await stored(lab, b"staying")
    await read(cache, other)
    async with cache.lease(analysis) as media:
        await cache.forget([analysis.file_id])
        assert media.path.read_bytes() == b"going"
    assert contents(tmp_path) == [b"staying"]
    assert names(tmp_path) == {str(other.file_id)}


async def test_files_with_the_same_bytes_share_them_and_are_forgotten_together(
    lab: Lab, store: CountingStore, tmp_path: Path
) -> None:
    cache = await opened(tmp_path, store)
    first, second = await stored(lab, b"same"), await stored(lab, b"same")
    for analysis in (first, second, first):
        await read(cache, analysis)
    assert store.downloads == 1
    assert names(tmp_path) == {str(first.file_id), str(second.file_id)}
    await cache.forget([second.file_id])
    assert (contents(tmp_path), names(tmp_path)) == ([], set())


async def test_a_name_without_bytes_beside_it_goes_when_room_is_made(
    lab: Lab, store: CountingStore, tmp_path: Path
) -> None:
    analysis = await stored(lab, b"removed by another worker while this one named them")
    await read(await opened(tmp_path, store), analysis)
    for content in contents_of(tmp_path):
        content.unlink()
    await opened(tmp_path, store)
    assert names(tmp_path) == set()


async def test_what_dead_processes_left_is_cleared_away(lab: Lab, store: CountingStore, tmp_path: Path) -> None:
    folder = tmp_path / "leases"
    folder.mkdir()
    (folder / "999999999-1").write_bytes(b"left by a process that was killed")
    await opened(tmp_path, store)
    assert leases(tmp_path) == []
