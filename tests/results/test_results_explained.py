"""A verdict does not wait for its artifacts: they follow, and nothing else changes."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from assay.contracts import Artifact
from assay.results.settings import Settings
from assay.shared.objects import ObjectStore
from results.story import Client, Story, verdict
from results.test_results_flow import all_is_read

ONE = "jpeg-forensics"


def said(body: dict[str, Any], analyzer: str = ONE) -> dict[str, Any]:
    """An analyzer's verdict in a file's answer."""
    found: dict[str, Any] = next(each for each in body["run"]["analyses"] if each["analyzer"] == analyzer)["verdict"]
    return found


def names(body: dict[str, Any], analyzer: str = ONE) -> list[str]:
    return [each["name"] for each in said(body, analyzer)["artifacts"]]


async def judged(story: Story, client: Client, *artifacts: Artifact, **requested: Any) -> dict[str, Any]:
    """The file with its report, of which the artifacts follow."""
    await story.say(story.uploaded(), story.requested(ONE, **requested))
    await story.say(story.completed(ONE, verdict(artifacts=artifacts), artifacts_follow=True))
    return await client.report_of(story.file_id)


async def read_so_far(story: Story, client: Client) -> dict[str, Any]:
    """The file once all that was said of it on `assay.analyses` is written: a sentinel in the same partition."""
    analyzer = f"sentinel-{story.clock:%H-%M-%S}"
    await story.say(story.started(analyzer))
    return await client.file_when(
        story.file_id,
        lambda body: any(each["analyzer"] == analyzer for each in body["run"]["analyses"]),
        "the sentinel",
    )


async def test_the_report_does_not_wait_and_the_artifacts_come_to_the_verdict(
    client: Client, story: Story, settings: Settings
) -> None:
    before = await judged(story, client)
    assert (before["status"], said(before)["artifacts_follow"], names(before)) == ("analyzed", True, [])
    objects = ObjectStore(settings.s3)
    artifact = story.artifact(ONE, b"\x89PNG not really")
    await objects.put(artifact.key, b"\x89PNG not really", media_type="image/png")
    objects.close()
    await story.say(story.explained(ONE, artifact))
    after = await client.file_when(story.file_id, lambda body: not said(body)["artifacts_follow"], "its artifacts")
    [shown] = said(after)["artifacts"]
    assert (shown["name"], shown["media_type"], shown["size"]) == ("heatmap.png", "image/png", 15)
    # Nothing else is another.
    assert {**said(before), "artifacts": [shown], "artifacts_follow": False} == said(after)
    for name in ("report", "status", "completed_at"):
        assert before["run"][name] == after["run"][name]
    run = (await client.http.get(f"/api/v1/files/{story.file_id}/runs/1")).json()
    assert run == after["run"]
    snapshot = (await client.http.get("/internal/v1/snapshot", params={"file_id": str(story.file_id)})).json()
    assert snapshot["files"] == [after]
    link = shown["links"]["self"]
    assert (await client.http.get(link[link.index("/api/") :])).status_code == 307


async def test_the_first_explanation_counts(client: Client, story: Story) -> None:
    await judged(story, client)
    first, second = story.artifact(ONE, b"png"), story.artifact(ONE, b"png", "other.png")
    await story.say(story.explained(ONE, first), story.explained(ONE, first), story.explained(ONE, second, attempt=2))
    await story.say(story.explained(ONE), story.completed(ONE, artifacts_follow=True))
    body = await read_so_far(story, client)
    assert (names(body), said(body)["artifacts_follow"]) == (["heatmap.png"], False)


async def test_nothing_to_look_at_is_said_too(client: Client, story: Story) -> None:
    await judged(story, client)
    await story.say(story.explained(ONE))
    body = await client.file_when(story.file_id, lambda body: not said(body)["artifacts_follow"], "that none came")
    assert names(body) == []


async def test_artifacts_of_the_verdict_itself_stay(client: Client, story: Story) -> None:
    body = await judged(story, client, story.artifact(ONE, b"{}", "details.json"))
    assert (names(body), said(body)["artifacts_follow"]) == (["details.json"], True)
    await story.say(story.explained(ONE, story.artifact(ONE, b"png")))
    body = await client.file_when(story.file_id, lambda body: not said(body)["artifacts_follow"], "its artifacts")
    assert names(body) == ["details.json", "heatmap.png"]


async def test_only_a_verdict_that_lacks_artifacts_takes_them(client: Client, story: Story) -> None:
    await story.say(story.uploaded(), story.requested("a-one", "a-two", "a-three"))
    own = story.artifact("a-one", b"png", "own.png")
    # One names all of them itself, one failed before it was late, one has not ended.
    await story.say(story.completed("a-one", verdict(artifacts=(own,))))
    await story.say(story.failed("a-two"), story.completed("a-two", artifacts_follow=True), story.started("a-three"))
    for analyzer in ("a-one", "a-two", "a-three", "a-stranger"):
        await story.say(story.explained(analyzer, story.artifact(analyzer, b"png")))
    body = await read_so_far(story, client)
    assert (names(body, "a-one"), said(body, "a-one")["artifacts_follow"]) == (["own.png"], False)
    states = {
        each["analyzer"]: each["status"] for each in body["run"]["analyses"] if "sentinel" not in each["analyzer"]
    }
    assert states == {"a-one": "completed", "a-two": "failed", "a-three": "running"}


async def test_an_explanation_alone_makes_no_file(client: Client, story: Story) -> None:
    await story.say(story.explained(ONE, story.artifact(ONE, b"png")), story.started("sentinel"))
    body = await client.file_when(story.file_id, lambda body: body["run"]["analyses"], "the sentinel")
    assert [each["analyzer"] for each in body["run"]["analyses"]] == ["sentinel"]


async def test_a_deleted_file_stays_deleted(
    client: Client, story: Story, settings: Settings, engine: AsyncEngine
) -> None:
    await judged(story, client)
    await story.say(story.deleted())
    await all_is_read(engine, settings)
    await story.say(story.explained(ONE, story.artifact(ONE, b"png")))
    await all_is_read(engine, settings)
    async with engine.connect() as connection:
        for table in ("files", "runs", "analyses"):
            query = text(f"SELECT count(*) FROM {table} WHERE file_id = :id")  # noqa: S608
            assert await connection.scalar(query.bindparams(id=story.file_id)) == 0


async def test_an_artifact_is_waited_for_while_it_may_come(client: Client, story: Story, settings: Settings) -> None:
    """Who heard `explained` on a stream may ask before results has written it."""
    await judged(story, client)
    path = f"/api/v1/files/{story.file_id}/artifacts/{ONE}/heatmap.png"
    asking = asyncio.create_task(client.http.get(path))
    done, _ = await asyncio.wait([asking], timeout=0.3)
    assert not done, "it waits"
    await story.say(story.explained(ONE, story.artifact(ONE, b"png")))
    assert (await asking).status_code == 307
    answer = await client.http.get(path.replace("heatmap", "other"))
    assert answer.json()["code"] == "artifact_not_found"


async def test_past_the_deadline_nobody_waits_any_longer(client: Client, story: Story) -> None:
    body = await judged(story, client, deadline=datetime.now(UTC) + timedelta(seconds=3))
    assert said(body)["artifacts_follow"]
    await client.file_when(story.file_id, lambda body: not said(body)["artifacts_follow"], "the deadline")
    # Late is better than never.
    await story.say(story.explained(ONE, story.artifact(ONE, b"png")))
    await client.file_when(story.file_id, lambda body: names(body) == ["heatmap.png"], "its artifacts")
