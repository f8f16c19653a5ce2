"""Artifacts that follow a verdict: on every stream that is open, and in the snapshot of who comes later."""

from collections.abc import Callable
from typing import Any

from support.services import ServiceProcess

from notify.conftest import Owner
from notify.event_source import listening
from notify.playing import RUN_COMPLETED, PlayedFile

NewFile = Callable[..., PlayedFile]
EXPLAINED = "assay.analysis.explained.v1"


def verdict(snapshot: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = snapshot["run"]["analyses"][0]["verdict"]
    return found


async def test_a_stream_goes_on_behind_the_report(notify: ServiceProcess, owner: Owner, new_file: NewFile) -> None:
    file = new_file()
    await file.upload()
    async with (
        listening(notify.url, file.path, owner.token) as of_file,
        listening(notify.url, "/api/v1/events", owner.token) as of_owner,
        listening(notify.url, f"{file.path}?until=completed", owner.token) as of_report,
    ):
        for stream in (of_file, of_owner, of_report):
            assert (await stream.next()).event == "snapshot"
        await file.complete(artifacts_follow=True)
        # The report is what `until=completed` waits for, and nothing else.
        ended = await of_report.rest()
        assert ended[-1].event == RUN_COMPLETED
        # Who comes now is told that more is to come.
        async with listening(notify.url, file.path, owner.token) as later:
            snapshot = await later.next()
            assert snapshot.data["run"]["report"]["label"] == "no_findings"
            assert (verdict(snapshot.data)["artifacts_follow"], verdict(snapshot.data)["artifacts"]) == (True, [])
            await file.explain()
            for stream in (of_file, of_owner, later):
                seen = await stream.until(EXPLAINED)
                assert [each["name"] for each in seen[-1].data["artifacts"]] == ["heatmap.png"]
                assert EXPLAINED not in [each.event for each in seen[:-1]]
    # The same stream without `until` goes on from the report's position.
    async with listening(notify.url, file.path, owner.token, last_id=ended[-1].id) as goes_on:
        assert (await goes_on.next()).event == EXPLAINED


async def test_a_snapshot_has_the_artifacts(notify: ServiceProcess, owner: Owner, new_file: NewFile) -> None:
    file = new_file(plan=("noise", "jpeg"))
    await file.upload()
    await file.complete("noise", artifacts_follow=True)
    await file.explain("noise")
    await file.complete("jpeg")
    path = f"{file.path}?until=completed"
    async with listening(notify.url, path, owner.token) as source:
        await source.rest()
    async with listening(notify.url, path, owner.token) as source:
        [snapshot] = await source.rest()
    said = verdict(snapshot.data)
    assert said["artifacts_follow"] is False
    [artifact] = said["artifacts"]
    link = f"/api/v1/files/{file.file_id}/artifacts/noise/heatmap.png?run=1"
    assert artifact["links"]["self"].endswith(link)
