"""Killed between any two steps of an upload by tus: another replica ends it, and at most a part is sent again."""

import asyncio
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.services import ServiceProcess, free_port
from support.tus import Tus
from support.uploads import Owner, Storage, eventually, large_jpeg, until_ready

MIB = 1024 * 1024
PART = 8 * MIB
LENGTH = 2 * PART + 3 * MIB
# What the dying process is sent: a piece that ends in the middle of a part, or all of it.
STEPS = {
    "after-a-part": PART,
    "after-the-tail": 3 * MIB,
    "before-finishing": LENGTH,
    "after-assembling": LENGTH,
    "before-commit": LENGTH,
    "after-commit": LENGTH,
}
# Six services start; on a busy machine that takes a while.
pytestmark = [pytest.mark.proof, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def dying(
    other: ServiceProcess, resuming: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The address of a service for each step."""
    ports = {step: free_port() for step in STEPS}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    script = Path(__file__).with_name("dying_of_tus.py")
    with (tmp_path_factory.mktemp("dying") / "dying.log").open("wb") as log:
        parent = subprocess.Popen(
            [sys.executable, str(script), *(f"{step}:{port}" for step, port in ports.items())],
            env={**inherited, **resuming},
            stdout=log,
            stderr=log,
        )
        try:
            yield {step: f"http://127.0.0.1:{port}" for step, port in ports.items()}
        finally:
            parent.terminate()
            parent.wait(20)


async def test_another_replica_ends_what_the_killed_one_began(
    dying: dict[str, str], other: ServiceProcess, environment: dict[str, str], storage: Storage
) -> None:
    for url in dying.values():
        await until_ready(url)
    before = storage.keys()
    owners = {step: Owner(other.url, environment) for step in STEPS}
    contents = {step: b"".join(large_jpeg(LENGTH)) for step in STEPS}
    ids = await asyncio.gather(
        *(killed_at(step, dying[step], Tus(owners[step], other.url), contents[step]) for step in STEPS)
    )
    for step, file_id in zip(STEPS, ids, strict=True):
        sha256 = hashlib.sha256(contents[step]).hexdigest()
        (row,) = await storage.files(owners[step])
        assert (str(row["file_id"]), row["sha256"]) == (file_id, sha256), step
        assert storage.sha256(row["object_key"]) == sha256, step

    async def is_clean() -> bool:
        return storage.keys() - before == {f"files/{file_id}/content" for file_id in ids}

    await eventually(is_clean)


async def killed_at(step: str, url: str, survivor: Tus, content: bytes) -> str:
    """Let a replica die of an upload and go on with it at another one; returns the file's id."""
    upload = await survivor.create(LENGTH)
    with pytest.raises(httpx.TransportError):
        await survivor.at(url).patch(upload, 0, content[: STEPS[step]])
    sent_again = 0
    async with asyncio.timeout(60):
        while True:
            head = await survivor.request("HEAD", upload)
            if head.status_code == 423:
                continue
            assert head.status_code == 200, (step, head.headers)
            offset = int(head.headers["upload-offset"])
            if offset == LENGTH:
                assert sent_again <= PART, step
                file_id: str = head.headers["assay-file-id"]
                return file_id
            sent_again = STEPS[step] - offset
            answer = await survivor.patch(upload, offset, content[offset:])
            assert answer.status_code in (204, 423), (step, answer.text)
