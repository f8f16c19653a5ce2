"""From events to rows and reports, by Kafka and HTTP."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaConsumer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.services import ServiceProcess

from assay.contracts import RunCompleted, decode
from assay.contracts.topics import ANALYSES, VERDICTS
from assay.results.settings import Settings
from assay.results.tables import Base
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher, connection
from results.story import Client, Story, eventually, verdict

# All but what was set back, and what is empty once it is sent.
TABLES = sorted(set(Base.metadata.tables) - {"positions", "outbox"})


async def events_of(settings: Settings, topic: str, file_id: UUID) -> list[Any]:
    """All events of a file that the topic holds now; None for a tombstone."""
    consumer = AIOKafkaConsumer(
        topic, **connection(settings.kafka), auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        found = []
        while any([await consumer.position(each) < end for each, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += [decode(r.value, r.headers) for r in batch if r.key == str(file_id).encode()]
        return found
    finally:
        await consumer.stop()


async def tables_of(engine: AsyncEngine) -> dict[str, list[str]]:
    async with engine.connect() as connection:
        return {
            name: list(await connection.scalars(text(f"SELECT row_to_json(t)::text FROM {name} t ORDER BY 1")))  # noqa: S608
            for name in TABLES
        }


async def test_the_last_verdict_makes_the_report(client: Client, story: Story, settings: Settings) -> None:
    await story.say(story.uploaded(), story.requested("jpeg-forensics", "provenance"))
    await story.say(story.started("jpeg-forensics"), story.progressed("jpeg-forensics", 1, 0.4))
    running = await client.file_when(
        story.file_id,
        lambda body: body["status"] == "running" and len(body["run"]["analyses"]) == 2,
        "it runs and its plan is known",
    )
    by_name = {each["analyzer"]: each for each in running["run"]["analyses"]}
    assert running["run"]["report"] is None
    assert by_name["provenance"]["status"] == "queued"
    await story.say(story.completed("jpeg-forensics"))
    await story.say(
        story.completed("provenance", verdict("no_findings", "synthetic", None, confidence=0.0, evidence=()))
    )

    body = await client.report_of(story.file_id)
    assert (body["status"], body["filename"], body["media_type"]) == ("analyzed", "photo.jpg", "image/jpeg")
    assert (body["size"], body["metadata"], body["parent_file_id"]) == (1234, {"desk": "news"}, None)
    run = body["run"]
    assert (run["run_number"], run["status"]) == (1, "analyzed")
    assert run["report"]["label"] == run["report"]["claim"] == "manipulated"
    assert run["report"]["summary"].startswith("This file was")
    assert run["report"]["evidence"][0]["where"] == {"box": [1, 2, 3, 4], "analyzer": "jpeg-forensics"}
    assert [each["analyzer"] for each in run["analyses"]] == ["jpeg-forensics", "provenance"]
    first = run["analyses"][0]
    assert (first["status"], first["attempt"], first["fraction"], first["device"]) == ("completed", 1, 1.0, "cpu")
    assert first["queued_at"] < first["started_at"] < first["completed_at"] < run["completed_at"]
    # The report is on both topics, once, and says the same.
    for topic in (ANALYSES.name, VERDICTS.name):

        async def published(topic: str = topic) -> list[RunCompleted] | None:
            found = [each for each in await events_of(settings, topic, story.file_id) if isinstance(each, RunCompleted)]
            return found or None

        [completed] = await eventually(published, f"report on {topic}")
        assert completed.report.model_dump(mode="json") == run["report"]
        assert completed.occurred_at == datetime.fromisoformat(run["completed_at"])


async def test_redelivered_and_second_ends_change_nothing(client: Client, story: Story, settings: Settings) -> None:
    first, second = (
        story.completed("jpeg-forensics"),
        story.completed("jpeg-forensics", verdict("no_findings", score=0.1)),
    )
    await story.say(story.uploaded(), story.requested("jpeg-forensics"))
    await story.say(first, first, second, story.failed("jpeg-forensics"), story.started("jpeg-forensics", 2))
    # The same key, so the same partition: once the second run has its report, all above was read.
    again = new_id()
    await story.say(story.requested("jpeg-forensics", number=2, run_id=again))
    await story.say(story.completed("jpeg-forensics", verdict("no_findings", score=0.1), run_id=again))
    body = await client.file_when(
        story.file_id, lambda body: body["run"]["run_number"] == 2 and body["run"]["report"], "second report"
    )
    assert body["run"]["report"]["label"] == "no_findings"
    answer = await client.http.get(f"/api/v1/files/{story.file_id}/runs/1")
    run = answer.json()
    assert (run["status"], run["report"]["label"]) == ("analyzed", "manipulated")
    assert run["analyses"][0]["attempt"] == 1

    async def both() -> list[RunCompleted] | None:
        found = [e for e in await events_of(settings, ANALYSES.name, story.file_id) if isinstance(e, RunCompleted)]
        return found if len(found) >= 2 else None

    assert [each.run_number for each in await eventually(both, "both reports")] == [1, 2]


async def test_analyses_may_come_before_the_run_is_requested(client: Client, story: Story) -> None:
    await story.say(story.completed("provenance"), story.started("jpeg-forensics"))
    body = await client.file_when(
        story.file_id, lambda body: body["run"] and len(body["run"]["analyses"]) == 2, "a file made of analyses"
    )
    assert (body["status"], body["filename"], body["run"]["run_number"]) == ("running", None, None)
    await story.say(story.completed("jpeg-forensics"))
    await story.say(story.requested("provenance", "jpeg-forensics"))
    assert (await client.report_of(story.file_id))["status"] == "analyzed"
    await story.say(story.uploaded("late.jpg"))
    await client.file_when(story.file_id, lambda body: body["filename"] == "late.jpg", "its name")


async def test_progress_only_moves_forward(client: Client, story: Story) -> None:
    await story.say(story.uploaded(), story.requested("a-one"))
    await story.say(
        story.started("a-one"),
        story.progressed("a-one", 1, 0.2),
        story.progressed("a-one", 3, 0.7, stage="explain"),
        story.progressed("a-one", 2, 0.5),
    )
    seen = await client.file_when(
        story.file_id, lambda body: body["run"]["analyses"][0]["fraction"] == 0.7, "the furthest progress"
    )
    assert seen["run"]["analyses"][0]["stage"] == "explain"
    await story.say(story.started("a-one", 2))
    seen = await client.file_when(
        story.file_id, lambda body: body["run"]["analyses"][0]["attempt"] == 2, "the second attempt"
    )
    assert (seen["run"]["analyses"][0]["stage"], seen["run"]["analyses"][0]["fraction"]) == (None, 0.0)
    await story.say(story.progressed("a-one", 9, 0.9, attempt=1), story.started("a-one", 1), story.failed("a-one"))
    body = await client.report_of(story.file_id)
    analysis = body["run"]["analyses"][0]
    assert (analysis["attempt"], analysis["fraction"], body["status"]) == (2, 0.0, "failed")
    assert analysis["error"] == {"code": "media_unreadable", "message": "It is damaged."}
    assert body["run"]["report"]["missing"] == [
        {"analyzer": "a-one", "code": "media_unreadable", "derived_file_id": None}
    ]


async def test_some_failed_is_partially_analyzed(client: Client, story: Story) -> None:
    await story.say(story.uploaded(), story.requested("a-one", "a-two"))
    await story.say(story.failed("a-one"), story.completed("a-two"))
    body = await client.report_of(story.file_id)
    assert (body["status"], body["run"]["report"]["label"]) == ("partially_analyzed", "manipulated")
    assert "No verdict from a-one (media_unreadable)." in body["run"]["report"]["summary"]


async def test_a_run_past_its_deadline_ends(client: Client, story: Story, settings: Settings) -> None:
    deadline = datetime.now(UTC) - timedelta(seconds=1)
    await story.say(story.uploaded(), story.requested("a-one", "a-two", deadline=deadline))
    body = await client.report_of(story.file_id)
    assert body["status"] == "failed"
    assert {each["error"]["code"] for each in body["run"]["analyses"]} == {"timed_out"}
    assert datetime.fromisoformat(body["run"]["completed_at"]) == deadline
    # A verdict that comes later changes nothing, for the log says who was first.
    await story.say(story.completed("a-one"))
    said = await events_of(settings, ANALYSES.name, story.file_id)
    assert [type(each).__name__ for each in said] == [
        "AnalysisFailed",
        "AnalysisFailed",
        "RunCompleted",
        "AnalysisCompleted",
    ]
    await story.say(story.started("sentinel"))
    body = await client.file_when(story.file_id, lambda body: len(body["run"]["analyses"]) == 3, "the sentinel")
    assert body["status"] == "failed"


async def test_a_parent_waits_for_what_was_found_in_it(client: Client, story: Story, publisher: Publisher) -> None:
    child = Story(publisher, client.owner)
    await story.say(story.uploaded("mail.eml"), story.requested("mail"))
    await story.say(story.completed("mail", verdict("no_findings", score=0.1), derived=(child.file_id,)))
    await client.file_when(
        story.file_id, lambda body: body["run"]["analyses"][0]["status"] == "completed", "its verdict"
    )
    await child.say(child.derived(story, "mail", "jpeg-forensics"))
    body = await client.file_when(story.file_id, lambda body: body["derived"], "the derived file")
    assert (body["status"], body["run"]["report"]) == ("running", None)
    assert body["derived"][0]["derived_by"] == "mail"
    await child.say(child.completed("jpeg-forensics"))
    body = await client.report_of(story.file_id)
    assert (body["status"], body["run"]["report"]["label"]) == ("analyzed", "manipulated")
    assert "Found inside" in body["run"]["report"]["summary"]
    assert body["derived"][0]["label"] == "manipulated"
    assert str(child.file_id) in [each["where"].get("derived_file_id") for each in body["run"]["report"]["evidence"]]
    assert await client.find(child.file_id) is None, "the list is of uploads"
    assert (await client.file(child.file_id))["parent_file_id"] == str(story.file_id)


async def test_a_parent_past_its_deadline_does_not_wait(client: Client, story: Story) -> None:
    inside = new_id()
    await story.say(story.uploaded(), story.completed("mail", derived=(inside,)))
    await story.say(story.requested("mail", deadline=datetime.now(UTC) + timedelta(seconds=1)))
    body = await client.report_of(story.file_id)
    assert body["status"] == "partially_analyzed"
    assert body["run"]["report"]["missing"] == [
        {"analyzer": "mail", "code": "derived_file_not_finished", "derived_file_id": str(inside)}
    ]


async def test_a_deleted_file_leaves_its_mark_only(
    client: Client, story: Story, publisher: Publisher, settings: Settings, engine: AsyncEngine
) -> None:
    child = Story(publisher, client.owner)
    await story.say(story.uploaded(), story.requested("a-one", "a-two"))
    await story.say(story.completed("a-one", derived=(child.file_id,)))
    await child.say(child.derived(story, "a-one", "a-one"))
    await client.file_when(story.file_id, lambda body: body["derived"], "the derived file")
    await story.say(story.deleted())

    async def gone() -> bool:
        return await client.find(story.file_id) is None

    await eventually(gone, "it is gone")
    # Late news of it, of both, and of a new run; then a sentinel on the same partitions.
    await story.say(
        story.completed("a-two"), story.started("a-one", 2), story.uploaded(), story.requested("a-one", number=2)
    )
    await child.say(child.completed("a-one"))
    ids = [str(story.file_id), str(child.file_id)]
    await all_is_read(engine, settings)
    async with engine.connect() as connection:
        for name in ("files", "runs", "analyses"):
            query = text(f"SELECT count(*) FROM {name} WHERE file_id = ANY(CAST(:ids AS uuid[]))")  # noqa: S608
            assert await connection.scalar(query.bindparams(ids=ids)) == 0
        query = text("SELECT count(*) FROM deleted_files WHERE file_id = ANY(CAST(:ids AS uuid[]))")
        assert await connection.scalar(query.bindparams(ids=ids)) == 2

    async def tombstone() -> bool:
        return None in await events_of(settings, VERDICTS.name, story.file_id)

    await eventually(tombstone, "a tombstone on assay.verdicts")


async def all_is_read(engine: AsyncEngine, settings: Settings) -> None:
    """Wait until the stored positions are at the ends of the topics."""
    topics = ("assay.files", "assay.files.bulk", "assay.analyses", "assay.analyzers")
    consumer = AIOKafkaConsumer(*topics, **connection(settings.kafka), enable_auto_commit=False)
    await consumer.start()
    try:

        async def look() -> bool:
            ends = await consumer.end_offsets(consumer.assignment())
            async with engine.connect() as session:
                rows = await session.execute(text("SELECT topic, partition, next_offset FROM positions"))
                stored = {(row.topic, row.partition): row.next_offset for row in rows}
            return all(stored.get((each.topic, each.partition), 0) >= end for each, end in ends.items())

        # A replay reads what all tests before this one said, too.
        await eventually(look, "everything is read", limit_s=100)
    finally:
        await consumer.stop()


@pytest.mark.timeout(300)
async def test_replaying_everything_changes_no_row(
    client: Client, story: Story, publisher: Publisher, settings: Settings, engine: AsyncEngine, results: ServiceProcess
) -> None:
    gone, waiting = Story(publisher, client.owner), Story(publisher, client.owner)
    await story.say(story.uploaded(), story.requested("a-one", "a-two"))
    await story.say(
        story.started("a-one"), story.progressed("a-one", 1, 0.5), story.completed("a-one"), story.failed("a-two")
    )
    await waiting.say(waiting.uploaded(), waiting.requested("a-one"), topic="assay.files.bulk")
    await waiting.say(waiting.started("a-one", 2), waiting.progressed("a-one", 3, 0.5, attempt=2))
    await gone.say(gone.uploaded(), gone.requested("a-one"), gone.deleted())
    # A file inside another, announced on both lanes; one inside the deleted file; one that keeps its parent waiting.
    whole, inside, lost, late = (Story(publisher, client.owner) for _ in range(4))
    await whole.say(whole.uploaded(), whole.requested("a-one"))
    await whole.say(whole.completed("a-one", derived=(inside.file_id,)))
    await inside.say(inside.derived(whole, "a-one", "a-two"))
    await inside.say(inside.derived(whole, "a-one", "a-two"), topic="assay.files.bulk")
    await inside.say(inside.completed("a-two"))
    await lost.say(lost.derived(gone, "a-one", "a-two"), lost.completed("a-two"))
    await late.say(late.derived(waiting, "a-one", "a-two"))
    await waiting.say(waiting.completed("a-one", derived=(late.file_id,)))
    # Artifacts that follow, and some that come where nothing waits for them.
    seen = Story(publisher, client.owner)
    await seen.say(seen.uploaded(), seen.requested("a-one", "a-two"))
    await seen.say(seen.completed("a-one", artifacts_follow=True), seen.failed("a-two"))
    for analyzer in ("a-one", "a-two", "a-three"):
        await seen.say(seen.explained(analyzer, seen.artifact(analyzer, b"png")))
    # The same request on both lanes, said at different times: lanes have no common order, so a replay may swap them.
    for _ in range(5):
        twice = Story(publisher, client.owner)
        early, late = twice.requested("a-one"), twice.requested("a-one")
        await twice.say(early)
        await twice.say(late, topic="assay.files.bulk")
    await client.report_of(story.file_id)
    assert (await client.report_of(whole.file_id))["derived"][0]["status"] == "analyzed"
    await all_is_read(engine, settings)
    await outbox_is_empty(engine)
    await all_is_read(engine, settings)
    before, reports = await tables_of(engine), await events_of(settings, VERDICTS.name, story.file_id)
    assert len(before["files"]) > 2
    assert results.stop() == 0
    async with engine.begin() as connection:
        moved = await connection.execute(text("UPDATE positions SET next_offset = 0 WHERE next_offset > 0"))
        assert moved.rowcount > 3
    results.start()
    await all_is_read(engine, settings)
    await outbox_is_empty(engine)
    assert await tables_of(engine) == before
    assert await events_of(settings, VERDICTS.name, story.file_id) == reports


async def test_late_news_of_a_dropped_month_change_nothing(
    client: Client, story: Story, settings: Settings, engine: AsyncEngine
) -> None:
    await story.say(story.uploaded(), story.requested("a-one", "a-two"), story.completed("a-one"))
    await story.say(story.failed("a-two"))
    before = await client.report_of(story.file_id)
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM analyses WHERE run_id = :id").bindparams(id=story.run_id))
    await story.say(story.started("a-one", 2), story.completed("a-two"), story.progressed("a-one", 1, 0.5))
    await all_is_read(engine, settings)
    after = await client.file(story.file_id)
    assert (after["run"].pop("analyses"), len(before["run"].pop("analyses"))) == ([], 2)
    assert after == before, "the report and all else stays"


@pytest.mark.timeout(300)
async def test_another_topic_id_starts_from_the_beginning(
    client: Client, story: Story, settings: Settings, engine: AsyncEngine, results: ServiceProcess
) -> None:
    await story.say(story.uploaded(), story.requested("a-one"), story.completed("a-one"))
    await client.report_of(story.file_id)
    await all_is_read(engine, settings)
    assert results.stop() == 0
    # As after a restore: positions of an earlier topic of this name, far ahead of what there is now.
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM files WHERE file_id = :id").bindparams(id=story.file_id))
        await connection.execute(
            text("UPDATE positions SET next_offset = 1000000, topic_id = :id WHERE topic = 'assay.files'").bindparams(
                id=new_id()
            )
        )
    results.start()
    assert (await client.report_of(story.file_id))["filename"] == "photo.jpg"


async def outbox_is_empty(engine: AsyncEngine) -> None:
    async def look() -> bool:
        async with engine.connect() as connection:
            return await connection.scalar(text("SELECT count(*) FROM outbox")) == 0

    await eventually(look, "the outbox is sent")


async def test_two_last_verdicts_conclude_once(client_of: Any, publisher: Publisher, settings: Settings) -> None:
    """Analyses of one run all come by one partition; what races them are requests, on two lanes."""
    client = client_of()
    stories = [Story(publisher, client.owner) for _ in range(20)]
    await asyncio.gather(
        *(each.say(each.uploaded(), each.requested("a-one", "a-two")) for each in stories),
        *(each.say(each.completed("a-one"), each.completed("a-two")) for each in stories),
        *(each.say(each.requested("a-one", "a-two"), topic="assay.files.bulk") for each in stories),
    )
    for each in stories:
        await client.report_of(each.file_id)

    for each in stories[:3]:
        said = await events_of(settings, ANALYSES.name, each.file_id)
        assert len([event for event in said if isinstance(event, RunCompleted)]) == 1
