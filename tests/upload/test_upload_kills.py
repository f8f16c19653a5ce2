"""Killed between any two steps: nothing is lost, and after a sweep nothing stays behind.

The process is the real service. It is stopped by a proxy in front of PostgreSQL, S3 or itself, at the moment when it
has said, or was about to hear, what stands between two steps; there it is killed. Fresh processes judge what is left.
"""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import psutil
import pytest
from support.proxies import StoppingProxy
from support.services import ServiceProcess, free_port
from support.topics import reading
from support.uploads import Owner, Storage, eventually, form, jpeg, large_jpeg, until_ready

from assay.contracts import FileUploaded, RunRequested, decode

LEASE_S = 4  # as the replica's
LONG = 9 * 1024 * 1024  # two parts
SHORT = 10_000  # one request
SERVICES = Path(__file__).with_name("forking.py")
LANES = ("assay.files", "assay.files.bulk")
# Many services start; on a busy machine that takes a while.
pytestmark = pytest.mark.timeout(300)

INTENT = (b"INSERT INTO intents", b"COMMIT")
ANNOUNCED = (b"INSERT INTO files", b"COMMIT")


@dataclass(frozen=True)
class Moment:
    """Where a process is stopped: at a proxy in front of what, and when the process has said what there.

    after: when the other side has done it, and the process does not know. is_known: its owner has the bytes already.
    leaves: whether the upload's own file is there in the end.
    """

    before: Literal["database", "s3", "service"]
    said: tuple[bytes, ...]
    after: bool = True
    size: int = LONG
    is_known: bool = False
    leaves: bool = False


MOMENTS = {
    "about to commit the intent": Moment("database", INTENT, after=False),
    "intent committed": Moment("database", INTENT),
    "multipart upload begun": Moment("s3", (b"POST /assay/files/", b"?uploads")),
    "its id noted": Moment("database", (b"UPDATE intents SET multipart_id", b"COMMIT")),
    "first part stored": Moment("s3", (b"partNumber=1",)),
    "last part stored": Moment("s3", (b"partNumber=2",)),
    "object made of the parts": Moment("s3", (b"POST /assay/files/", b"?uploadId=")),
    "short object stored": Moment("s3", (b"PUT /assay/files/",), size=SHORT),
    "about to announce the file": Moment("database", ANNOUNCED, after=False, size=SHORT),
    "file announced": Moment("database", ANNOUNCED, size=SHORT, leaves=True),
    "answer on its way": Moment("service", (b"POST /api/v1/files",), size=SHORT, leaves=True),
    "known bytes found": Moment("database", ANNOUNCED, is_known=True),
    "known bytes thrown away": Moment("s3", (b"DELETE /assay/files/",), size=SHORT, is_known=True),
}
NEVER = "never"


class Victims:
    """Services, each behind proxies of its own, forked from one parent in the order of their names."""

    def __init__(self, parent: psutil.Popen, names: list[str], urls: dict[str, str]) -> None:
        self._parent = parent
        self._names = names
        self.urls = urls
        self.proxies: dict[str, StoppingProxy] = {}

    def kill(self, name: str) -> None:
        children = sorted(self._parent.children(), key=lambda child: child.pid)
        children[self._names.index(name)].kill()


@pytest.fixture(scope="module")
async def victims(
    upload: ServiceProcess, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Victims]:
    """A service for each moment, and one that is stopped nowhere; not ready yet."""
    names = [*MOMENTS, NEVER]
    ports = {name: free_port() for name in names}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    settings: list[str] = []
    async with AsyncExitStack() as stack:
        proxies: dict[str, StoppingProxy] = {}
        for name in names:
            own = {"ASSAY_HTTP__PORT": str(ports[name]), "ASSAY_SLOT": str(10 + names.index(name))}
            if name in MOMENTS:
                moment = MOMENTS[name]
                server = {
                    "database": environment["ASSAY_DATABASE__URL"],
                    "s3": environment["ASSAY_S3__ENDPOINT_URL"],
                    "service": urls[name],
                }[moment.before]
                proxy = StoppingProxy(server, moment.said, after=moment.after)
                proxies[name] = await stack.enter_async_context(proxy.listening())
                address = urlsplit(server)
                through = server.replace(f"{address.hostname}:{address.port}", f"127.0.0.1:{proxy.port}")
                if moment.before == "service":
                    urls[name] = through
                else:
                    variable = {"database": "ASSAY_DATABASE__URL", "s3": "ASSAY_S3__ENDPOINT_URL"}[moment.before]
                    own[variable] = through
            settings.append(json.dumps(own))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
        log = stack.enter_context((tmp_path_factory.mktemp("victims") / "victims.log").open("wb"))
        parent = psutil.Popen(
            [sys.executable, str(SERVICES), *settings],
            env={**inherited, **environment, "ASSAY_INTENT_LEASE": str(LEASE_S)},
            stdout=log,
            stderr=log,
        )
        try:
            victims = Victims(parent, names, urls)
            victims.proxies = proxies
            yield victims
        finally:
            parent.terminate()
            parent.wait(20)


async def die_at(name: str, victims: Victims, owner: Owner, content: bytes) -> None:
    """Send a file to a process that is killed at this moment."""
    await until_ready(victims.urls[name])
    sending = asyncio.create_task(owner.post(form(("file", "a.jpg", [content])), url=victims.urls[name]))
    stopped = asyncio.create_task(victims.proxies[name].until_stopped())
    await asyncio.wait({sending, stopped}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    if not stopped.done():
        stopped.cancel()
        pytest.fail(
            f"it was not stopped with {name!r}, but said {sending.result().text if sending.done() else 'nothing'}"
        )
    victims.kill(name)
    await victims.proxies[name].cut()
    with suppress(httpx.TransportError):
        pytest.fail(f"the process that was killed with {name!r} answered: {(await sending).text}")


@pytest.mark.proof
async def test_killed_between_any_two_steps_nothing_is_lost_and_nothing_left(
    victims: Victims, replica: ServiceProcess, environment: dict[str, str], storage: Storage
) -> None:
    owners = {name: Owner(replica.url, environment) for name in MOMENTS}
    contents = {name: b"".join(large_jpeg(moment.size)) for name, moment in MOMENTS.items()}
    for name, moment in MOMENTS.items():
        if moment.is_known:
            assert (await owners[name].send(contents[name])).status_code == 202
    before = storage.keys()
    async with reading(environment, *LANES) as topics:
        await asyncio.gather(*(die_at(name, victims, owners[name], contents[name]) for name in MOMENTS))
        # Others sweep, once the leases of the dead have run out.
        kept: set[str] = set()
        for name, moment in MOMENTS.items():

            async def no_intents(owner: Owner = owners[name]) -> bool:
                return not await storage.intents(owner)

            await eventually(no_intents)
            rows = await storage.files(owners[name])
            assert len(rows) == int(moment.is_known or moment.leaves), name
            if moment.leaves:
                (row,) = rows
                kept.add(row["object_key"])
                assert storage.content(row["object_key"]) == contents[name], name
                records = await topics.of_key(str(row["file_id"]), 2)
                # The dying process may have sent them too: then they come twice, in order all the same.
                kinds = [type(decode(record.value, record.headers)) for record in records]
                assert kinds[:2] == [FileUploaded, RunRequested], name
        assert storage.keys() == before | kept
    # Whoever sends it again has the one file.
    answers = await asyncio.gather(*(owners[name].send(contents[name]) for name in MOMENTS))
    for (name, moment), answer in zip(MOMENTS.items(), answers, strict=True):
        assert answer.status_code == (200 if moment.is_known or moment.leaves else 202), name
        assert len(await storage.files(owners[name])) == 1, name


async def test_a_process_killed_while_bytes_arrive_is_swept_after(
    victims: Victims, replica: ServiceProcess, owner: Owner, storage: Storage
) -> None:
    await until_ready(victims.urls[NEVER])
    before = storage.keys()
    body = b"".join(form(("file", "a.jpg", large_jpeg(4 * LONG))))

    async def is_under_way() -> bool:
        return bool(await storage.intents(owner)) and storage.keys() != before

    async with owner.sending(body[: 3 * LONG], len(body), url=victims.urls[NEVER]):
        await eventually(is_under_way)
        victims.kill(NEVER)
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
