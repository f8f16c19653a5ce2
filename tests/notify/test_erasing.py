"""An erased file: its streams end with the event that says so, and nothing of it is served any more."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from support.services import ServiceProcess, running_service

from notify.conftest import Owner
from notify.event_source import listening
from notify.playing import PlayedFile

NewFile = Callable[..., PlayedFile]
DELETED = "assay.file.deleted.v1"


async def reconnect(url: str, path: str, token: str, last_id: str) -> int:
    headers = {"Authorization": f"Bearer {token}", **({"Last-Event-ID": last_id} if last_id else {})}
    async with (
        httpx.AsyncClient(base_url=url, timeout=30) as client,
        client.stream("GET", path, headers=headers) as answer,
    ):
        return answer.status_code


async def test_a_stream_of_it_ends_and_stays_ended(notify: ServiceProcess, owner: Owner, new_file: NewFile) -> None:
    file = new_file()
    await file.upload()
    async with listening(notify.url, file.path, owner.token) as source:
        first = await source.next()
        await file.start()
        await file.delete()
        seen = await source.rest()
        assert seen[-1].event == DELETED
        assert [each.event for each in seen].count(DELETED) == 1
        last_id = source.last_id
    # A browser comes back by itself with the last id, and 204 tells it to stay away.
    assert await reconnect(notify.url, file.path, owner.token, last_id) == 204
    assert await reconnect(notify.url, file.path, owner.token, first.id) == 404
    assert await reconnect(notify.url, file.path, owner.token, "") == 404


async def test_its_owner_hears_of_it_once_and_nothing_after_it(
    notify: ServiceProcess, owner: Owner, new_file: NewFile
) -> None:
    file, other = new_file(), new_file()
    for each in (file, other):
        await each.upload()
    async with listening(notify.url, "/api/v1/events", owner.token) as source:
        await source.next()
        await file.start()
        await file.delete()
        await file.request_run("assay.files.bulk")
        await file.delete_in("assay.files.bulk")
        await file.complete()  # a worker that had not heard of it
        await other.start()
        await other.complete()
        seen = [await source.next()]
        while seen[-1].name != (str(other.file_id), "assay.run.completed.v1"):
            seen.append(await source.next())
        behind = seen[0].id
    of_file = [each.event for each in seen if each.data.get("file_id") == str(file.file_id)]
    assert of_file.count(DELETED) == 1
    assert of_file[-1] == DELETED
    # From an earlier position, and from the beginning: it was there, and it is gone.
    async with listening(notify.url, "/api/v1/events", owner.token, last_id=behind) as source:
        again = [await source.next()]
        while again[-1].name != (str(other.file_id), "assay.run.completed.v1"):
            again.append(await source.next())
        assert {each.event for each in again if each.data.get("file_id") == str(file.file_id)} <= {DELETED}
    async with listening(notify.url, "/api/v1/events", owner.token) as source:
        snapshot = await source.next()
    assert [each["file_id"] for each in snapshot.data["files"]] == [str(other.file_id)]


@pytest.mark.parametrize("through", ["start", "replay"])
async def test_what_the_ring_has_not_reached_stays_erased(
    through: str, notify: ServiceProcess, notify_environment: dict[str, str], owner: Owner, new_file: NewFile,
    tmp_path: Path,
) -> None:  # fmt: skip
    """A replica whose ring begins after the deletion hears of the file once more, from a worker that was late."""
    file, other = new_file(), new_file()
    async with listening(notify.url, "/api/v1/events", owner.token) as source:
        before = (await source.next()).id
        for each in (file, other):
            await each.upload()
        await file.delete()
        await source.until(DELETED)
    limits = {"ASSAY_RING__MINUTES": "0", "ASSAY_SLOT": "1"}
    if through == "replay":
        # It looks for no deletions at its start; a reader's own old position leads it there.
        limits["ASSAY_RING__DELETIONS_HOURS"] = "0"
    with running_service("notify", notify_environment | limits, tmp_path) as late:
        last_id = before if through == "replay" else None
        async with listening(late.url, "/api/v1/events", owner.token, last_id=last_id) as source:
            seen = [] if through == "replay" else [await source.next()]
            if through == "replay":
                seen += await source.until(DELETED)
            await file.complete()
            await other.start()
            await other.complete()
            seen += await source.until("assay.run.completed.v1")
        # And who comes only now.
        async with listening(late.url, "/api/v1/events", owner.token) as source:
            seen.append(await source.next())
    of_file = [each.event for each in seen if each.data.get("file_id") == str(file.file_id)]
    assert set(of_file) <= {DELETED}
    for snapshot in (each for each in seen if each.event == "snapshot"):
        assert [each["file_id"] for each in snapshot.data["files"]] == [str(other.file_id)]
