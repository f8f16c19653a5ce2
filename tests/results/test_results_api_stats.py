"""Statistics by HTTP, on real parts. That tallies are what the rows say: `test_results_tallies.py`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from support.services import free_port, running_service

from assay.results.counting import DAYS_SHOWN, percentiles
from assay.results.tallying import bucket_of
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher
from results.story import Client, Story, eventually, verdict
from results.test_results_api import problem

Clients = Callable[..., Client]


def id_of(moment: datetime) -> UUID:
    """A UUIDv7 of that moment."""
    return UUID(int=(new_id().int & ((1 << 80) - 1)) | (int(moment.timestamp() * 1000) << 80))


async def stats(client: Client, **params: str) -> dict[str, Any]:
    answer = await client.http.get("/api/v1/stats", params=params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_counts_rates_and_durations(client_of: Clients, client: Client, publisher: Publisher) -> None:
    for label, duration in (("manipulated", 100), ("manipulated", 120), ("no_findings", 1000)):
        story = Story(publisher, client.owner)
        await story.say(story.uploaded(), story.requested("jpeg-forensics", "broken"))
        await story.say(story.completed("jpeg-forensics", verdict(label), duration_ms=duration), story.failed("broken"))
        await client.report_of(story.file_id)
    body = await stats(client)
    assert (body["scope"], body["files"], body["bytes"]) == ("own", 3, 3702)
    assert body["by_status"] == {"partially_analyzed": 3}
    assert body["by_media_type"] == {"image/jpeg": 3}
    assert sum(body["by_label"].values()) == 3
    forensics = body["analyses"]["jpeg-forensics"]
    assert (forensics["completed"], forensics["failed"], forensics["failure_rate"]) == (3, 0, 0.0)
    assert forensics["by_label"] == {"manipulated": 2, "no_findings": 1}
    assert forensics["mean_duration_ms"] == 406.7
    assert forensics["duration_ms"]["p50"] == pytest.approx(120, rel=0.05)
    assert forensics["duration_ms"]["p99"] == pytest.approx(1000, rel=0.05)
    assert body["analyses"]["broken"]["failure_rate"] == 1.0
    assert body["analyses"]["broken"]["duration_ms"] is None
    assert body["last_hour"] == {"files": 3, "analyses": 6}
    [day] = body["days"]
    assert (day["files"], day["analyses"]["jpeg-forensics"]["by_label"]) == (3, forensics["by_label"])
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    assert (await stats(client, until=yesterday))["files"] == 0
    assert (await stats(client, since=yesterday))["files"] == 3
    problem(await client.http.get("/api/v1/stats?scope=all"), 403, "forbidden")
    problem(await client.http.get(f"/api/v1/stats?since={yesterday}&until=2020-01-01"), 422, "invalid_request")
    assert (await stats(client, until="9999-12-31"))["files"] == 3
    everything = await stats(client_of(operator=True), scope="all")
    assert everything["scope"] == "all"
    assert everything["files"] >= 3


async def test_days_say_what_their_files_say_and_a_deletion_is_seen_at_once(
    client_of: Clients, client: Client, publisher: Publisher
) -> None:
    """Two days of long ago and one of now; then a file of an old day is deleted, and at last the other one."""
    moment = datetime.now(UTC)
    stories = []
    for days in (20, 10, 10, 0):
        story = Story(publisher, client.owner, file_id=id_of(moment - timedelta(days=days)))
        story.run_id = id_of(moment - timedelta(days=days))
        await story.say(story.uploaded(), story.requested("jpeg-forensics"), story.completed("jpeg-forensics"))
        await client.report_of(story.file_id)
        stories.append(story)
    body = await stats(client)
    assert [each["files"] for each in body["days"]] == [1, 2, 1]
    assert body["files"] == body["analyses"]["jpeg-forensics"]["completed"] == 4
    until = (moment - timedelta(days=5)).date().isoformat()
    early = await stats(client, until=until)
    assert (early["files"], early["bytes"]) == (3, 3702)
    assert early["days"] == body["days"][1:]
    assert (await stats(client_of(operator=True), scope="all", until=until))["files"] >= 3
    for story, left in ((stories[1], [1, 1, 1]), (stories[2], [1, 1])):
        await story.say(story.deleted())

        async def is_gone(story: Story = story) -> bool:
            return await client.find(story.file_id) is None

        await eventually(is_gone, "the deletion")
        assert [each["files"] for each in (await stats(client))["days"]] == left
    body = await stats(client)
    assert body["analyses"]["jpeg-forensics"]["completed"] == body["files"] == 2


async def test_more_days_than_are_shown_are_counted_and_the_last_ones_shown(
    client: Client, publisher: Publisher
) -> None:
    """A file comes late on a day that is not shown any more: it counts, and the day is not shown for it."""
    moment = datetime.now(UTC)

    async def upload(days: int) -> None:
        story = Story(publisher, client.owner, file_id=id_of(moment - timedelta(days=days)))
        await story.say(story.uploaded())
        await client.file_when(story.file_id, lambda body: body["filename"], "the file")

    for days in range(DAYS_SHOWN + 3):
        await upload(days)
    await upload(DAYS_SHOWN + 2)
    shown = [(moment - timedelta(days=days)).date().isoformat() for days in range(DAYS_SHOWN)]
    body = await stats(client)
    assert [(each["day"], each["files"]) for each in body["days"]] == [(day, 1) for day in shown]
    assert body["files"] == DAYS_SHOWN + 4


async def test_a_verdict_that_was_taken_over_took_no_time(client: Client, story: Story) -> None:
    await story.say(story.uploaded(), story.requested("one", "two"))
    await story.say(story.completed("one", duration_ms=0), story.completed("two", duration_ms=500))
    await client.report_of(story.file_id)
    analyses = (await stats(client))["analyses"]
    assert (analyses["one"]["completed"], analyses["one"]["duration_ms"], analyses["one"]["mean_duration_ms"]) == (
        1, None, None,
    )  # fmt: skip
    assert analyses["two"]["mean_duration_ms"] == 500


async def test_statistics_may_come_from_a_replica(
    results_environment: dict[str, str], client: Client, story: Story, tmp_path: Path
) -> None:
    """The same server in its place: what matters is that the service asks it, and counts it among what it needs."""
    await story.say(story.uploaded(), story.requested("one"), story.completed("one"))
    await client.report_of(story.file_id)
    environment = {
        **results_environment,
        "ASSAY_HTTP__PORT": str(free_port()),
        "ASSAY_SLOT": "7",
        "ASSAY_REPLICA_URL": results_environment["ASSAY_DATABASE__URL"],
    }
    with running_service("results", environment, tmp_path) as service:
        async with httpx.AsyncClient(base_url=service.url, headers=client.http.headers) as http:
            assert (await http.get("/readyz")).json()["dependencies"]["postgresql replica"]["ok"] is True
            assert (await http.get("/api/v1/stats")).json()["files"] == 1
            assert len((await http.get("/api/v1/export")).text.splitlines()) == 1


def test_percentiles_of_buckets() -> None:
    assert percentiles({}) is None
    found = percentiles({bucket_of(100): 98, bucket_of(10_000): 2})
    assert found is not None
    assert found.p50 == pytest.approx(100, rel=0.05)
    assert found.p90 == found.p50
    assert found.p99 == pytest.approx(10_000, rel=0.05)
