"""A large file streams through: memory stays flat, the bytes arrive whole."""

import asyncio
import hashlib
from collections.abc import Iterator

import psutil
from support.services import ServiceProcess
from support.uploads import Owner, Storage, form, large_jpeg

SIZE = 200 * 1024 * 1024
MAY_GROW = 64 * 1024 * 1024


async def test_memory_stays_flat_while_200_mb_pass(owner: Owner, upload: ServiceProcess, storage: Storage) -> None:
    # Code and buffers that any first upload loads are not what is measured.
    assert (await owner.post(form(("file", "first.jpg", large_jpeg(20 * 1024 * 1024))))).status_code == 202
    process = psutil.Process(upload.pid)
    before = process.memory_info().rss
    highest = before
    digest = hashlib.sha256()

    def watched() -> Iterator[bytes]:
        nonlocal highest
        for piece in large_jpeg(SIZE):
            digest.update(piece)
            highest = max(highest, process.memory_info().rss)
            yield piece

    answer = await owner.post(form(("file", "large.jpg", watched())))
    assert answer.status_code == 202, answer.text
    highest = max(highest, process.memory_info().rss)
    assert highest - before < MAY_GROW, f"grew by {(highest - before) / 2**20:.0f} MiB"
    assert (answer.json()["size"], answer.json()["sha256"]) == (SIZE, digest.hexdigest())
    key = f"files/{answer.json()['file_id']}/content"
    assert await asyncio.to_thread(storage.sha256, key) == digest.hexdigest()
    stored = storage.keys()
    assert f"{key} unfinished" not in stored
