"""`Last-Event-ID`: exactly the rest, from any position, at any replica, from the ring or from Kafka."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.services import ServiceProcess, running_service

from notify.conftest import Owner
from notify.event_source import Message, listening
from notify.playing import RUN_COMPLETED, PlayedFile

NewFile = Callable[..., PlayedFile]
REPLAY_BYTES = 100_000


@pytest.fixture(scope="module")
def forgetful(notify_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A replica that keeps next to nothing in memory, and reads little of Kafka at once."""
    limits = {
        "ASSAY_RING__MAX_EVENTS": "3",
        "ASSAY_RING__MINUTES": "0",
        "ASSAY_REPLAY__MAX_BYTES": str(REPLAY_BYTES),
    }
    with running_service("notify", notify_environment | limits, tmp_path_factory.mktemp("forgetful")) as service:
        yield service


async def _record(notify: ServiceProcess, owner: Owner, path: str, files: list[PlayedFile]) -> list[Message]:
    """A stream that was there from the start until every file's run was completed."""
    async with listening(notify.url, path, owner.token) as source:
        seen = [await source.next()]

        async def live(file: PlayedFile) -> None:
            for sequence in (1, 2, 3):
                await file.progress(sequence)
            await file.complete()

        await asyncio.gather(*map(live, files))
        while sum(each.event == RUN_COMPLETED for each in seen) < len(files):
            seen.append(await source.next())
    return seen


def _names(messages: list[Message]) -> list[tuple[str, ...]]:
    return sorted((*each.name, str(each.data.get("sequence"))) for each in messages)


async def _assert_rest(url: str, owner: Owner, path: str, seen: list[Message], step: int = 1) -> None:
    for at in range(0, len(seen) - 1, step):
        async with listening(url, path, owner.token, last_id=seen[at].id) as source:
            rest = await source.take(len(seen) - at - 1)
            assert _names(rest) == _names(seen[at + 1 :])
    async with listening(url, path, owner.token, last_id=seen[-1].id) as source:
        # The opening and a heartbeat, and nothing else: there is no more.
        assert [await source.block(), await source.block()] == [None, None]


async def test_every_position_of_a_file_continues_exactly(
    notify: ServiceProcess, owner: Owner, new_file: NewFile
) -> None:
    file = new_file()
    await file.upload()
    seen = await _record(notify, owner, file.path, [file])
    for at in range(len(seen) - 1):
        async with listening(notify.url, file.path, owner.token, last_id=seen[at].id) as source:
            assert await source.take(len(seen) - at - 1) == seen[at + 1 :]


async def test_every_position_of_an_owner_continues_exactly_also_after_a_kill_and_elsewhere(
    notify_environment: dict[str, str],
    forgetful: ServiceProcess,
    owner: Owner,
    new_file: NewFile,
    tmp_path: Path,
) -> None:
    files = [new_file(bulk=number % 2 == 0) for number in range(6)]
    for file in files:
        await file.upload()
    with running_service("notify", notify_environment, tmp_path) as notify:
        seen = await _record(notify, owner, "/api/v1/events", files)
        await _assert_rest(notify.url, owner, "/api/v1/events", seen, step=3)
        notify.kill()
        # While nobody listens, life goes on.
        later = new_file()
        await later.upload()
        notify.start()
        async with listening(notify.url, "/api/v1/events", owner.token, last_id=seen[-1].id) as source:
            seen += await source.take(2)
        assert [each.name[0] for each in seen[-2:]] == [str(later.file_id)] * 2
        await _assert_rest(notify.url, owner, "/api/v1/events", seen, step=5)
    # A replica that keeps next to nothing in memory reads Kafka.
    await _assert_rest(forgetful.url, owner, "/api/v1/events", seen, step=7)
    await _assert_rest(forgetful.url, owner, "/api/v1/events", seen[-3:])


async def test_a_reader_goes_on_while_events_arrive_and_the_ring_forgets(
    forgetful: ServiceProcess, owner: Owner, new_file: NewFile
) -> None:
    """Connections that break after each few events, against a ring that is shorter than the gap."""
    file = new_file()
    await file.upload()
    count = 120
    async with listening(forgetful.url, "/api/v1/events", owner.token) as source:
        await source.next()
        last_id = source.last_id

    async def get_on() -> None:
        for sequence in range(1, count + 1):
            await file.progress(sequence)

    heard: list[int] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(get_on())
        while len(heard) < count:
            async with listening(forgetful.url, "/api/v1/events", owner.token, last_id=last_id) as source:
                for _ in range(min(17, count - len(heard))):
                    message = await source.next()
                    if "sequence" in message.data:
                        heard.append(message.data["sequence"])
                last_id = source.last_id
    assert heard == list(range(1, count + 1))


@pytest.mark.parametrize("last_id", ["nonsense", "AAAA", "%%%", "9" * 2000])
async def test_an_id_that_says_nothing_gets_a_new_snapshot(
    notify: ServiceProcess, owner: Owner, new_file: NewFile, last_id: str
) -> None:
    file = new_file()
    await file.upload()
    for path in (file.path, "/api/v1/events"):
        async with listening(notify.url, path, owner.token, last_id=last_id) as source:
            assert (await source.next()).event == "snapshot"


async def test_an_id_of_another_topic_or_of_the_future_gets_a_new_snapshot(
    notify: ServiceProcess, owner: Owner, new_file: NewFile
) -> None:
    from uuid import uuid4

    from assay.notify.position import Layout

    file = new_file()
    await file.upload()
    foreign = Layout((uuid4(), uuid4(), uuid4())).of_file(file.file_id).encode([0] * 36)
    async with listening(notify.url, file.path, owner.token) as source:
        await source.next()
        # The same format and topics, but offsets that Kafka does not have.
        future = source.last_id[:10] + "_3__fw" + source.last_id[16:]
    for last_id in (foreign, future):
        async with listening(notify.url, file.path, owner.token, last_id=last_id) as source:
            assert (await source.next()).event == "snapshot"


async def test_too_much_to_catch_up_with_gets_a_new_snapshot(
    notify: ServiceProcess, forgetful: ServiceProcess, owner: Owner, new_file: NewFile
) -> None:
    async with listening(notify.url, "/api/v1/events", owner.token) as source:
        await source.next()
        last_id = source.last_id
    file = new_file()
    await file.upload()
    # More than a replay may find, and then more than this ring keeps.
    await file.progress(1, stage="s" * REPLAY_BYTES)
    for sequence in range(2, 6):
        await file.progress(sequence)
    await file.complete()
    async with listening(notify.url, f"{file.path}?until=completed", owner.token) as source:
        await source.rest()
    async with listening(forgetful.url, file.path, owner.token) as source:
        await source.next()
        await file.progress(6)
        # The other replica has read, and forgotten, all before this.
        while (await source.next()).data.get("sequence") != 6:
            pass
    async with listening(forgetful.url, "/api/v1/events", owner.token, last_id=last_id) as source:
        snapshot = await source.next()
    assert snapshot.event == "snapshot"
    assert [each["file_id"] for each in snapshot.data["files"]] == [str(file.file_id)]
