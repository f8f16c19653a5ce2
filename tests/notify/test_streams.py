"""Snapshot, then log: what a reader sees, and who may see it."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from contextlib import AsyncExitStack
from uuid import uuid4

import httpx
import pytest
from support.services import ServiceProcess

from assay.shared.ids import new_id
from assay.shared.settings import KafkaSettings
from notify.conftest import HEARTBEAT_S, Owner
from notify.event_source import listening
from notify.logged import ends, key_of, logged
from notify.playing import RUN_COMPLETED, PlayedFile

NewFile = Callable[..., PlayedFile]
FILES_OF_AN_OWNER = 60
EVENT_STREAM = "text/event-stream"


async def test_a_file_streams_its_state_and_then_its_events(
    notify: ServiceProcess, owner: Owner, new_file: NewFile
) -> None:
    file = new_file()
    await file.upload("holiday.jpg")
    async with listening(notify.url, file.path, owner.token) as source:
        assert source.response.headers["content-type"].startswith("text/event-stream")
        assert source.response.headers["cache-control"] == "no-store"
        assert source.response.headers["x-accel-buffering"] == "no"
        snapshot = await source.next()
        assert snapshot.event == "snapshot"
        assert snapshot.data["file_id"] == str(file.file_id)
        assert source.retry_ms is not None
        await file.start()
        await file.progress(1)
        await file.complete()
        seen = await source.until(RUN_COMPLETED)
    # What the snapshot did not yet know of the upload comes as events.
    assert [each.event for each in seen if "analysis" in each.event] == file.sent[2:]
    assert seen[-1].data["report"]["label"] == "no_findings"
    assert len({each.id for each in [snapshot, *seen]}) == len(seen) + 1


async def test_a_young_id_is_waited_for(notify: ServiceProcess, owner: Owner, new_file: NewFile) -> None:
    file = new_file()
    async with asyncio.TaskGroup() as group:

        async def listen() -> str:
            async with listening(notify.url, file.path, owner.token) as source:
                return str((await source.next()).data["file_id"])

        answer = group.create_task(listen())
        # The request is under way before anybody has heard of the file.
        await asyncio.sleep(0)
        await file.upload()
    assert answer.result() == str(file.file_id)


async def test_nobody_else_sees_a_file(
    notify: ServiceProcess, owner: Owner, new_owner: Callable[[], Owner], new_file: NewFile
) -> None:
    file, other = new_file(), new_owner()
    await file.upload()
    async with (
        listening(notify.url, file.path, owner.token) as mine,
        listening(notify.url, "/api/v1/events", other.token) as theirs,
    ):
        assert (await mine.next()).event == "snapshot"
        assert (await theirs.next()).data == {"files": []}
        position = mine.last_id
        for last_id in (None, position):
            async with listening(notify.url, file.path, other.token, last_id=last_id, status=404) as refused:
                problem = json.loads(await refused.response.aread())
                assert problem["code"] == "file_not_found"
                assert refused.response.headers["content-type"] == "application/problem+json"
        await file.complete()
        await mine.until(RUN_COMPLETED)
        # A heartbeat written after the events above: none of them was for the other owner.
        heard = theirs.last_id
        while await theirs.block() is None and theirs.last_id == heard:
            pass
        assert theirs.last_id != heard


async def test_who_asks_wrongly_gets_a_problem(notify: ServiceProcess, owner: Owner) -> None:
    async with httpx.AsyncClient(base_url=notify.url, headers={"Authorization": f"Bearer {owner.token}"}) as client:
        unknown = await client.get(f"/api/v1/files/{uuid4()}/events")
        malformed = await client.get("/api/v1/files/not-an-id/events")
        until_when = await client.get(f"/api/v1/files/{new_id()}/events?until=tomorrow")
        endless = await client.get("/api/v1/events?until=completed")
        anonymous = await client.get("/api/v1/events", headers={"Authorization": ""})
    answers = [unknown, malformed, until_when, endless, anonymous]
    assert [each.status_code for each in answers] == [404, 422, 422, 422, 401]
    assert [each.json()["code"] for each in answers] == ["file_not_found", *["invalid_request"] * 3, "unauthenticated"]


async def test_the_document_names_both_streams(notify: ServiceProcess) -> None:
    async with httpx.AsyncClient(base_url=notify.url) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    file, owner = paths["/api/v1/files/{file_id}/events"]["get"], paths["/api/v1/events"]["get"]
    assert list(file["responses"]["200"]["content"]) == list(owner["responses"]["200"]["content"]) == [EVENT_STREAM]
    assert "204" in file["responses"]
    assert {each["name"].lower() for each in file["parameters"]} == {"file_id", "until", "types", "last-event-id"}


async def test_the_session_cookie_opens_a_stream(
    notify: ServiceProcess, owner: Owner, notify_environment: dict[str, str]
) -> None:
    from assay.shared.auth import SESSION_COOKIE, SESSION_LIFETIME, mint_token

    session = mint_token(
        notify_environment["ASSAY_AUTH__SECRET"], owner.name, ["user"], SESSION_LIFETIME, use="session"
    )
    headers = {"Cookie": f"{SESSION_COOKIE}={session}"}
    async with (
        httpx.AsyncClient(base_url=notify.url, headers=headers) as client,
        client.stream("GET", "/api/v1/events") as response,
    ):
        assert response.status_code == 200
        async for line in response.aiter_lines():
            if line == "event: snapshot":
                return
    raise AssertionError("no snapshot")


async def test_an_owner_sees_each_event_of_many_files_once(
    notify: ServiceProcess, owner: Owner, new_file: NewFile, kafka: KafkaSettings
) -> None:
    files = [new_file(bulk=number % 3 == 0) for number in range(FILES_OF_AN_OWNER)]
    early, late = files[: FILES_OF_AN_OWNER // 3], files[FILES_OF_AN_OWNER // 3 :]
    begins = await ends(kafka)
    async with AsyncExitStack() as exits:
        first = await exits.enter_async_context(listening(notify.url, "/api/v1/events", owner.token))
        assert (await first.next()).data == {"files": []}

        async def live(file: PlayedFile) -> None:
            await file.upload()
            await file.start()
            await file.complete()

        await asyncio.gather(*map(live, early))
        # Readers who come in the middle of it all.
        middle = [
            await exits.enter_async_context(listening(notify.url, "/api/v1/events", owner.token)) for _ in range(3)
        ]
        await asyncio.gather(*map(live, late))
        seen = []
        while sum(each.event == RUN_COMPLETED for each in seen) < len(files):
            seen.append(await first.next())
        found = await logged(kafka, begins, owner.name)
        assert len({partition for partition, _ in found}) >= 30
        assert sorted(key_of(each.event, each.data) for each in seen) == sorted(key for _, key in found)
        # A reader's snapshot and events together tell of each file's end exactly once.
        for source in middle:
            snapshot = await source.next()
            ended = [each["file_id"] for each in snapshot.data["files"] if each["run"] and each["run"].get("report")]
            while len(ended) < len(files):
                message = await source.next()
                if message.event == RUN_COMPLETED and message.data["file_id"] not in ended:
                    ended.append(message.data["file_id"])
            assert sorted(ended) == sorted(str(file.file_id) for file in files)


async def test_a_quiet_reader_keeps_its_place(notify: ServiceProcess, owner: Owner, new_file: NewFile) -> None:
    async with listening(notify.url, "/api/v1/events", owner.token) as source:
        first = (await source.next()).id
        await new_file().upload()
        await source.take(2)
        places = [first, source.last_id]
        comments = source.comments
        for _ in range(3):
            assert await source.block() is None
            places.append(source.last_id)
        assert source.comments == comments + 3
        assert all(places)
        assert len(set(places[:2])) == 2
        assert 0 < HEARTBEAT_S < 1


@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
async def test_curl_ends_by_itself(notify: ServiceProcess, owner: Owner, new_file: NewFile, version: str) -> None:
    file = new_file()
    await file.upload()
    curl = await asyncio.create_subprocess_exec(
        "curl", "-sSN", version, "-H", f"Authorization: Bearer {owner.token}",
        f"{notify.url}{file.path}?until=completed",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert curl.stdout is not None
    while b"event: snapshot" not in await asyncio.wait_for(curl.stdout.readline(), 20):
        pass
    await file.complete()
    async with asyncio.timeout(20):
        rest, errors = await curl.communicate()
    assert (curl.returncode, errors) == (0, b"")
    assert rest.count(b"event: assay.run.completed.v1") == 1
