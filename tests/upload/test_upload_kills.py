"""Killed between any two steps: nothing is lost, and after a sweep nothing stays behind."""

import asyncio
import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import psutil
import pytest
from support.services import ServiceProcess, free_port
from support.topics import reading
from support.uploads import Owner, Storage, eventually, form, jpeg, large_jpeg

from assay.contracts import FileUploaded, RunRequested, decode

LEASE_S = 4  # as the replica's
LONG = 9 * 1024 * 1024  # two parts
SERVICES = Path(__file__).with_name("dying.py")
LANES = ("assay.files", "assay.files.bulk")

# What each file is: one that goes part by part, or one that fits in one part.
STEPS = {
    "after-intent": LONG,
    "after-multipart-begun": LONG,
    "before-first-part": LONG,
    "after-first-part": LONG,
    "after-completion": LONG,
    "after-put": 10_000,
    "before-commit": 10_000,
}


# Each dies of a file but the last, which is killed from outside.
SERVED = (*STEPS, "after-commit", "never")
# Nine services start; on a busy machine that takes a while.
pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Dying:
    """Services by the step at which they die; `parent` forked them, in the order of SERVED."""

    parent: psutil.Popen
    urls: dict[str, str]

    def __getitem__(self, step: str) -> str:
        return self.urls[step]

    def kill(self, step: str) -> None:
        children = sorted(self.parent.children(), key=lambda child: child.pid)
        children[SERVED.index(step)].kill()


@pytest.fixture(scope="module")
def dying(
    upload: ServiceProcess, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Dying]:
    """A service for each step; not ready yet."""
    ports = {step: free_port() for step in SERVED}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    log = (tmp_path_factory.mktemp("dying") / "dying.log").open("wb")
    parent = psutil.Popen(
        [
            sys.executable,
            str(Path(__file__).with_name("dying.py")),
            *(f"{step}:{port}" for step, port in ports.items()),
        ],
        env={**inherited, **environment, "ASSAY_INTENT_LEASE": str(LEASE_S)},
        stdout=log,
        stderr=log,
    )
    try:
        yield Dying(parent, {step: f"http://127.0.0.1:{port}" for step, port in ports.items()})
    finally:
        parent.terminate()
        parent.wait(20)
        log.close()


async def until_ready(url: str) -> None:
    async with httpx.AsyncClient(timeout=5) as client:

        async def ready() -> bool:
            try:
                return (await client.get(f"{url}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(ready, seconds=100)


async def die_at(step: str, url: str, owner: Owner) -> None:
    """Send a file to a process that dies of it."""
    try:
        answer = await owner.post(form(("file", "a.jpg", large_jpeg(STEPS[step]))), url=url)
    except httpx.TransportError:
        return
    pytest.fail(f"the process that should die {step} answered: {answer.text}")


async def test_killed_uploads_leave_nothing_after_a_sweep(
    dying: Dying, replica: ServiceProcess, environment: dict[str, str], storage: Storage
) -> None:
    for step in STEPS:
        await until_ready(dying[step])
    before = storage.keys()
    owners = {step: Owner(dying[step], environment) for step in STEPS}
    await asyncio.gather(*(die_at(step, dying[step], owner) for step, owner in owners.items()))
    # The replica sweeps once the leases of the dead have run out.
    for step, owner in owners.items():

        async def no_intents(owner: Owner = owner) -> bool:
            return not await storage.intents(owner)

        await eventually(no_intents)
        assert await storage.files(owner) == [], step
    assert storage.keys() == before


async def test_what_was_committed_is_announced_by_another_process(
    dying: Dying, owner: Owner, storage: Storage, environment: dict[str, str]
) -> None:
    await until_ready(dying["after-commit"])
    content = jpeg()
    async with reading(environment, *LANES) as topics:
        with pytest.raises(httpx.TransportError):
            await owner.post(form(("file", "a.jpg", [content])), url=dying["after-commit"])
        (row,) = await storage.files(owner)
        records = await topics.of_key(str(row["file_id"]), 2)
    # The dying process may have sent them too: then they come twice, in order all the same.
    kinds = [type(decode(record.value, record.headers)) for record in records]
    assert kinds[:2] == [FileUploaded, RunRequested]
    assert storage.content(row["object_key"]) == content
    assert await storage.intents(owner) == []


async def test_a_process_killed_while_bytes_arrive_is_swept_after(
    dying: Dying, replica: ServiceProcess, owner: Owner, storage: Storage
) -> None:
    await until_ready(dying["never"])
    before = storage.keys()
    body = b"".join(form(("file", "a.jpg", large_jpeg(4 * LONG))))

    async def is_under_way() -> bool:
        return bool(await storage.intents(owner)) and storage.keys() != before

    async with owner.sending(body[: 3 * LONG], len(body), url=dying["never"]):
        await eventually(is_under_way)
        dying.kill("never")
    await storage.assert_nothing_of(owner, before)


async def test_an_upload_that_lives_is_not_swept(replica: ServiceProcess, owner: Owner, storage: Storage) -> None:
    """This upload takes longer than the replica's lease."""
    content = b"".join(large_jpeg(LONG))
    body = b"".join(form(("file", "a.jpg", [content])))
    half = len(body) - 1000
    async with owner.sending(body[:half], len(body), url=replica.url) as (answer, writer):
        began = asyncio.get_running_loop().time()

        async def has_outlived_its_lease() -> bool:
            return asyncio.get_running_loop().time() - began > 1.25 * LEASE_S and bool(await storage.intents(owner))

        await eventually(has_outlived_its_lease)
        writer.write(body[half:])
        assert (await asyncio.wait_for(answer.readline(), 20)).startswith(b"HTTP/1.1 202 ")
    (row,) = await storage.files(owner)
    assert row["sha256"] == hashlib.sha256(content).hexdigest()
    assert storage.sha256(row["object_key"]) == row["sha256"]


async def test_two_processes_take_files_side_by_side(
    upload: ServiceProcess, replica: ServiceProcess, owner: Owner, storage: Storage, environment: dict[str, str]
) -> None:
    async with reading(environment, *LANES) as topics:
        answers = await asyncio.gather(
            *(owner.send(jpeg(), url=service.url) for service in (upload, replica) for _ in range(5))
        )
        assert {answer.status_code for answer in answers} == {202}
        ids = [answer.json()["file_id"] for answer in answers]
        for file_id in ids:
            records = await topics.of_key(file_id, 2)
            kinds = [type(decode(record.value, record.headers)) for record in records]
            assert kinds == [FileUploaded, RunRequested]
    assert {row["file_id"] for row in await storage.files(owner)} == {UUID(file_id) for file_id in ids}
    assert await storage.intents(owner) == []
