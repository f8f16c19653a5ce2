"""Broken off, killed, stopped, at once: what was accepted stays, and no two requests write at the same time."""

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator

import httpx
import pytest
from support.services import ServiceProcess, running_service
from support.tus import Tus
from support.uploads import Owner, Storage, eventually, large_jpeg

MIB = 1024 * 1024
PART = 8 * MIB
# The HTTP server may hold so much of a connection that breaks, and forgets it.
HEARD = MIB


@pytest.fixture
async def victim(
    other: ServiceProcess, resuming: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServiceProcess]:
    """A replica that does not live to see the end."""
    settings = {**resuming, "ASSAY_SLOT": "4"}
    with running_service("upload", settings, tmp_path_factory.mktemp("victim")) as service:
        yield service


async def until_offset(tus: Tus, upload: str, least: int) -> int:
    """Wait until so much is accepted."""
    found = 0

    async def is_there() -> bool:
        nonlocal found
        found = await tus.offset(upload)
        return found >= least

    await eventually(is_there)
    return found


async def go_on(tus: Tus, upload: str, content: bytes) -> httpx.Response:
    """What every client does: ask for the offset, send the rest, again after a 423."""
    async with asyncio.timeout(30):
        while True:
            offset = await tus.offset(upload)
            answer = await tus.patch(upload, offset, content[offset:])
            if answer.status_code not in (409, 423):
                return answer


async def assert_is_file(answer: httpx.Response, content: bytes, storage: Storage, owner: Owner) -> None:
    assert answer.status_code == 204, answer.text
    sha256 = hashlib.sha256(content).hexdigest()
    (row,) = await storage.files(owner)
    assert (str(row["file_id"]), row["sha256"]) == (answer.headers["assay-file-id"], sha256)
    assert storage.sha256(row["object_key"]) == sha256


async def test_bytes_of_a_broken_connection_count(tus: Tus, other: ServiceProcess, storage: Storage) -> None:
    content = b"".join(large_jpeg(11 * MIB))
    upload = await tus.create(len(content))
    for end in (1, 100_000, 9 * MIB + 1):
        start = await tus.offset(upload)
        async with tus.sending(upload, start, content[start:end], len(content) - start):
            await asyncio.sleep(0)  # sent to the kernel, and then gone
        # What had arrived before the connection broke; a client asks another replica.
        accepted = await tus.at(other.url).settled(upload)
        assert end - HEARD <= accepted <= end
    await assert_is_file(await go_on(tus.at(other.url), upload, content), content, storage, tus.owner)


async def test_killed_in_the_middle_at_most_a_part_is_sent_again(
    victim: ServiceProcess, other: ServiceProcess, tus: Tus, storage: Storage
) -> None:
    content = b"".join(large_jpeg(40 * MIB))
    killed = tus.at(victim.url)
    upload = await killed.create(len(content))
    sent = 3 * PART + 3 * MIB
    async with killed.sending(upload, 0, content[:sent], len(content)):
        survivor = tus.at(other.url)
        await until_offset(survivor, upload, 3 * PART)
        victim.kill()
    accepted = await survivor.offset(upload)
    assert sent - accepted <= PART
    await assert_is_file(await go_on(survivor, upload, content), content, storage, tus.owner)


async def test_one_request_at_a_time(tus: Tus, other: ServiceProcess, storage: Storage) -> None:
    content = b"".join(large_jpeg(2 * MIB))
    upload = await tus.create(len(content))
    sending = tus.sending(upload, 0, content[: len(content) // 2], len(content))
    async with sending as (answer, writer):
        stop = asyncio.Event()

        async def keep_busy() -> None:
            """A byte now and then: this client lives."""
            nonlocal sent
            while not stop.is_set():
                writer.write(content[sent : sent + 1])
                sent += 1
                await asyncio.sleep(0.1)

        sent = len(content) // 2
        living = asyncio.create_task(keep_busy())
        for replica in (tus, tus.at(other.url)):
            # Everything about the second request is right but the moment.
            refused = await replica.patch(upload, 0, content[:10])
            assert (refused.status_code, refused.json()["code"]) == (423, "upload_busy")
            assert (await replica.request("DELETE", upload)).status_code == 423
        stop.set()
        await living
        writer.write(content[sent:])
        head = (await asyncio.wait_for(answer.readuntil(b"\r\n\r\n"), 20)).decode()
    assert " 204 " in head.splitlines()[0]
    assert "assay-file-id" in head.lower()


async def test_a_quiet_request_gives_way(tus: Tus, other: ServiceProcess, storage: Storage) -> None:
    """Its client is gone, and TCP does not know yet: whoever comes again need not wait for the timeout of a minute."""
    content = b"".join(large_jpeg(2 * MIB))
    upload = await tus.create(len(content))
    async with tus.sending(upload, 0, content[:MIB], len(content)) as (answer, _):
        second = await go_on(tus.at(other.url), upload, content)
        head = (await asyncio.wait_for(answer.readuntil(b"\r\n\r\n"), 20)).decode()
    assert " 423 " in head.splitlines()[0]
    await assert_is_file(second, content, storage, tus.owner)


async def test_a_holder_that_was_thought_dead_writes_nothing(
    victim: ServiceProcess, other: ServiceProcess, tus: Tus, storage: Storage
) -> None:
    """Stopped in the middle, it wakes up when its lease is over and another replica has gone on with other bytes."""
    content = b"".join(large_jpeg(30 * MIB))
    late = tus.at(victim.url)
    upload = await late.create(len(content))
    async with late.sending(upload, 0, content[: PART + MIB], len(content)) as (answer, writer):
        await until_offset(late, upload, PART)
        os.kill(victim.pid, signal.SIGSTOP)
        try:
            survivor = tus.at(other.url)
            offset = await survivor.offset(upload)

            async def is_taken_over() -> bool:
                answered = await survivor.patch(upload, offset, content[offset : offset + PART])
                return answered.status_code == 204

            await eventually(is_taken_over)
            # It has a whole part of wrong bytes to store when it wakes.
            writer.write(bytes(PART))
        finally:
            os.kill(victim.pid, signal.SIGCONT)
        head = (await asyncio.wait_for(answer.readuntil(b"\r\n\r\n"), 20)).decode()
        assert " 423 " in head.splitlines()[0]
    assert await survivor.offset(upload) == offset + PART
    await assert_is_file(await go_on(survivor, upload, content), content, storage, tus.owner)


async def test_a_replica_that_is_told_to_stop_keeps_what_it_has_heard(
    victim: ServiceProcess, other: ServiceProcess, tus: Tus, storage: Storage
) -> None:
    """An update goes through the replicas while somebody sends."""
    content = b"".join(large_jpeg(60 * MIB))
    stopped = tus.at(victim.url)
    upload = await stopped.create(len(content))
    # More than the kernel holds: when it is sent, the replica has heard some of it.
    async with stopped.sending(upload, 0, content[: 20 * MIB], len(content)) as (answer, _):
        ending = asyncio.create_task(asyncio.to_thread(victim.stop))
        head = (await asyncio.wait_for(answer.readuntil(b"\r\n\r\n"), 20)).decode()
        assert await ending == 0
    assert " 503 " in head.splitlines()[0]
    survivor = tus.at(other.url)
    assert await survivor.settled(upload) > 0
    await assert_is_file(await go_on(survivor, upload, content), content, storage, tus.owner)
