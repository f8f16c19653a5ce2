"""Readers who lose their service and come back, all at once: nobody misses anything, nobody hears anything twice."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from aiokafka.partitioner import DefaultPartitioner
from support.services import ServiceProcess, free_port, running_service

from assay.embedded.gateway import Gateway
from assay.embedded.home import Home
from assay.shared.settings import KafkaSettings
from notify.conftest import Owner
from notify.logged import PARTITIONS, ends, logged
from notify.playing import PlayedFile
from notify.returning import ReturningReader

NewFile = Callable[..., PlayedFile]
FILES = 24
FILES_OF_ONE = 60
AT_A_TIME = 15
# Uploaded, requested, started, completed, and the run completed.
EVENTS_OF_A_FILE = 5
# For a thousand readers on a busy machine.
LIMIT_S = 300.0


@contextmanager
def one_address(services: list[ServiceProcess], folder: Path) -> Iterator[str]:
    """The gateway, as it stands before several replicas."""
    port = free_port()
    addresses = {"notify": [service.url for service in services]}
    gateway = Gateway(
        Home(folder), port=port, s3="127.0.0.1:1", bucket="assay", web=folder, upstreams=addresses, max_file_bytes=1
    )
    program = gateway.program()
    with (folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen(program.command, env=program.environment, cwd=program.folder, stdout=log, stderr=log)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


async def _answers(url: str, owner: Owner) -> None:
    async with httpx.AsyncClient(base_url=url) as client, asyncio.timeout(LIMIT_S):
        while True:
            try:
                headers = {"Authorization": f"Bearer {owner.token}"}
                async with client.stream("GET", "/api/v1/events", headers=headers) as answer:
                    if answer.status_code == httpx.codes.OK:
                        return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.proof)])
async def test_a_storm_at_two_replicas_behind_one_address(
    count: int,
    notify_environment: dict[str, str],
    owner: Owner,
    new_file: NewFile,
    kafka: KafkaSettings,
    tmp_path: Path,
) -> None:
    files = [new_file(bulk=number % 3 == 0) for number in range(FILES)]
    begins = await ends(kafka)
    with (
        running_service("notify", notify_environment | {"ASSAY_SLOT": "1"}, tmp_path) as one,
        running_service("notify", notify_environment | {"ASSAY_SLOT": "2"}, tmp_path) as two,
        one_address([one, two], tmp_path) as url,
    ):
        await _answers(url, owner)
        readers = [ReturningReader(url, owner.token, FILES, FILES * EVENTS_OF_A_FILE) for _ in range(count)]

        async def all_are_connected() -> None:
            await _until(lambda: all(reader.is_connected for reader in readers))

        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
            for reader in readers:
                group.create_task(reader.listen())
            await all_are_connected()
            await _live(files[:8])
            # Half of them lose their connection, and go to the other one.
            one.kill()
            await _live(files[8:12])
            await all_are_connected()
            one.start(wait=False)
            await _answers(one.url, owner)
            # Everybody loses it at once, and comes to one that was not there when most of it happened.
            two.kill()
            await _live(files[12:16])
            await all_are_connected()
            two.start(wait=False)
            await _answers(two.url, owner)
            # And politely: everybody is told to go.
            stopping = asyncio.create_task(asyncio.to_thread(one.stop))
            await _live(files[16:20])
            assert await stopping == 0
            await all_are_connected()
            await _live(files[20:])
    in_kafka = sorted(key for _, key in await logged(kafka, begins, owner.name))
    labels = {str(file.file_id): "no_findings" for file in files}
    for reader in readers:
        assert reader.labels == labels
        # Nothing is missed, nothing comes twice; and positions were enough, nobody had to begin again.
        assert sorted(reader.keys) == in_kafka
        assert reader.snapshots == 1
        assert reader.connections >= 3


async def test_an_owner_s_stream_is_what_kafka_has_whoever_is_killed(
    notify_environment: dict[str, str],
    owner: Owner,
    new_file: NewFile,
    kafka: KafkaSettings,
    tmp_path: Path,
) -> None:
    files = [_in_partition(number // 2 % 12, new_file, bulk=number % 2 == 0) for number in range(FILES_OF_ONE)]
    begins = await ends(kafka)
    with running_service("notify", notify_environment | {"ASSAY_SLOT": "1"}, tmp_path) as notify:
        reader = ReturningReader(notify.url, owner.token, FILES_OF_ONE, FILES_OF_ONE * EVENTS_OF_A_FILE)
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
            group.create_task(reader.listen())
            await _until(lambda: reader.is_connected)
            for at in range(0, FILES_OF_ONE, AT_A_TIME):
                lives = group.create_task(_live(files[at : at + AT_A_TIME]))
                # In the middle of what these files have to say.
                await _until(lambda at=at: len(reader.keys) > EVENTS_OF_A_FILE * at + AT_A_TIME)  # type: ignore[misc]
                if at + AT_A_TIME < FILES_OF_ONE:
                    notify.kill()
                    await _until(lambda: not reader.is_connected)
                    notify.start(wait=False)
                await lives
    found = await logged(kafka, begins, owner.name)
    assert {partition for partition, _ in found} == set(PARTITIONS)
    assert sorted(reader.keys) == sorted(key for _, key in found)
    assert (reader.snapshots, reader.connections) == (1, 4)


def _in_partition(partition: int, new_file: NewFile, *, bulk: bool) -> PlayedFile:
    """A file whose events Kafka stores in this one of the twelve partitions of each topic."""
    numbers = list(range(12))
    while True:
        file = new_file(bulk=bulk)
        if DefaultPartitioner()(str(file.file_id).encode(), numbers, numbers) == partition:
            return file


async def _live(files: list[PlayedFile]) -> None:
    """Their whole lives, at the same time."""

    async def one(file: PlayedFile) -> None:
        await file.upload()
        await file.start()
        await file.complete()

    await asyncio.gather(*map(one, files))


async def _until(fact: Callable[[], bool]) -> None:
    while not fact():  # noqa: ASYNC110  # what a reader knows, who tells nobody
        await asyncio.sleep(0.01)
