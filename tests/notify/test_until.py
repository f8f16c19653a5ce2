"""`until=completed`: ends with the current run, and stays ended."""

from collections.abc import Callable

import httpx
from support.services import ServiceProcess

from notify.conftest import Owner
from notify.event_source import listening
from notify.playing import RUN_COMPLETED, PlayedFile

NewFile = Callable[..., PlayedFile]


async def _status(notify: ServiceProcess, owner: Owner, path: str, last_id: str) -> int:
    headers = {"Authorization": f"Bearer {owner.token}", "Last-Event-ID": last_id}
    async with (
        httpx.AsyncClient(base_url=notify.url, timeout=20) as client,
        client.stream("GET", path, headers=headers) as response,
    ):
        return response.status_code


async def test_it_ends_after_the_report_and_a_reconnect_is_told_to_stay_away(
    notify: ServiceProcess, owner: Owner, new_file: NewFile
) -> None:
    file = new_file()
    await file.upload()
    path = f"{file.path}?until=completed"
    async with listening(notify.url, path, owner.token) as source:
        assert (await source.next()).event == "snapshot"
        await file.complete()
        seen = await source.rest()
        assert seen[-1].event == RUN_COMPLETED
        # As a browser comes back, and as somebody does who kept the last event's id only.
        assert await _status(notify, owner, path, source.last_id) == 204
        assert await _status(notify, owner, path, seen[-1].id) == 204
    # Before the end there is something to hear: it is not "finished" for this reader.
    async with listening(notify.url, path, owner.token, last_id=seen[-2].id) as again:
        assert await again.rest() == seen[-1:]
    # Without `until` the same position goes on.
    async with listening(notify.url, file.path, owner.token, last_id=source.last_id) as goes_on:
        await file.request_run()
        assert (await goes_on.next()).event == "assay.run.requested.v1"


async def test_a_complete_run_needs_the_snapshot_only(notify: ServiceProcess, owner: Owner, new_file: NewFile) -> None:
    file = new_file()
    await file.upload()
    await file.complete()
    path = f"{file.path}?until=completed"
    async with listening(notify.url, path, owner.token) as source:
        await source.rest()
    async with listening(notify.url, path, owner.token) as source:
        seen = await source.rest()
        assert [each.event for each in seen] == ["snapshot"]
        assert seen[0].data["run"]["report"]["label"] == "no_findings"
        assert await _status(notify, owner, path, source.last_id) == 204


async def test_a_new_run_is_waited_for(notify: ServiceProcess, owner: Owner, new_file: NewFile) -> None:
    file = new_file(plan=("noise", "jpeg"))
    await file.upload()
    async with listening(notify.url, f"{file.path}?until=completed", owner.token) as source:
        await source.next()
        await file.complete("noise")
        await file.complete("jpeg")
        await source.rest()
    await file.request_run()
    async with listening(notify.url, file.path, owner.token) as follows:
        while (await follows.next()).data.get("run", {"run_number": 2}).get("run_number") != 2:
            pass
        async with listening(notify.url, f"{file.path}?until=completed", owner.token) as source:
            snapshot = await source.next()
            assert snapshot.event == "snapshot"
            await file.complete("noise")
            await file.complete("jpeg")
            seen = await source.rest()
    assert [each.data["run_number"] for each in seen if each.event == RUN_COMPLETED][-1:] == [2]


async def test_a_deleted_file_ends_it(notify: ServiceProcess, owner: Owner, new_file: NewFile) -> None:
    file = new_file()
    await file.upload()
    async with listening(notify.url, f"{file.path}?until=completed", owner.token) as source:
        await source.next()
        await file.delete()
        assert (await source.rest())[-1].event == "assay.file.deleted.v1"
