"""`types=`: only what somebody asked for, at the same positions; ends come in any case."""

from collections.abc import Callable

import httpx
from support.services import ServiceProcess

from notify.conftest import Owner
from notify.event_source import listening
from notify.playing import RUN_COMPLETED, PlayedFile

NewFile = Callable[..., PlayedFile]
STARTED = "assay.analysis.started.v1"
PROGRESSED = "assay.analysis.progressed.v1"


async def test_an_owner_hears_what_it_asked_for(notify: ServiceProcess, owner: Owner, new_file: NewFile) -> None:
    path = f"/api/v1/events?types={STARTED},{RUN_COMPLETED}"
    files = [new_file() for _ in range(3)]
    async with (
        listening(notify.url, path, owner.token) as some,
        listening(notify.url, "/api/v1/events", owner.token) as all_of_it,
    ):
        first = await some.next()
        assert first.event == (await all_of_it.next()).event == "snapshot"
        for file in files:
            await file.upload()
            await file.start()
            await file.progress(1)
            await file.complete()
        heard = await some.take(6)
        seen = []
        while sum(each.event == RUN_COMPLETED for each in seen) < len(files):
            seen.append(await all_of_it.next())
    wanted = [each for each in seen if each.event in (STARTED, RUN_COMPLETED)]
    # The same events with the same ids: a position is one of the log, not of the filter.
    assert [(each.event, each.id) for each in heard] == [(each.event, each.id) for each in wanted]
    # From before all of it: what is read from the ring is chosen as well, and another choice can be made.
    async with listening(notify.url, path, owner.token, last_id=first.id) as again:
        assert [each.id for each in await again.take(6)] == [each.id for each in heard]
    async with listening(notify.url, f"/api/v1/events?types={PROGRESSED}", owner.token, last_id=first.id) as other:
        assert {each.event for each in await other.take(3)} == {PROGRESSED}


async def test_a_stream_ends_with_what_it_waits_for_heard_or_not(
    notify: ServiceProcess, owner: Owner, new_file: NewFile
) -> None:
    file, erased = new_file(), new_file()
    for each in (file, erased):
        await each.upload()
    of_file = f"{file.path}?until=completed&types={STARTED}"
    of_erased = f"{erased.path}?types={STARTED}"
    async with (
        listening(notify.url, of_file, owner.token) as source,
        listening(notify.url, of_erased, owner.token) as other,
    ):
        for stream in (source, other):
            await stream.next()
        await file.start()
        await file.complete()
        assert [each.event for each in await source.rest()] == [STARTED]
        await erased.delete()
        assert await other.rest() == []
        async with httpx.AsyncClient(base_url=notify.url, timeout=20) as client:
            for path, stream in ((of_file, source), (of_erased, other)):
                headers = {"Authorization": f"Bearer {owner.token}", "Last-Event-ID": stream.last_id}
                assert (await client.get(path, headers=headers)).status_code == 204


async def test_what_no_stream_carries_is_refused(notify: ServiceProcess, owner: Owner) -> None:
    headers = {"Authorization": f"Bearer {owner.token}"}
    async with httpx.AsyncClient(base_url=notify.url, headers=headers) as client:
        for types in ("", " ,", "assay.run.complete.v1", f"{STARTED},assay.analyzer.registered.v1"):
            answer = await client.get("/api/v1/events", params={"types": types})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
            assert RUN_COMPLETED in answer.json()["detail"]
