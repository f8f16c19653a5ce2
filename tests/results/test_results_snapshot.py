"""Rows and positions of a snapshot belong together, whatever is being written meanwhile."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer
from sqlalchemy.ext.asyncio import AsyncEngine

from assay.contracts import AnalysisProgressed, Event, decode
from assay.contracts.topics import ANALYSES, FILES, FILES_BULK
from assay.results.reading import SNAPSHOT_NEWEST
from assay.results.settings import Settings
from assay.shared.kafka import Publisher, connection
from assay.shared.topic_ids import topic_ids
from results.recorder import Recorder
from results.story import Client, Story


async def progress_by_offset(settings: Settings, story: Story) -> tuple[int, list[tuple[int, float]]]:
    """The partition of a file in assay.analyses, and what each offset in it said."""
    consumer = AIOKafkaConsumer(
        ANALYSES.name, **connection(settings.kafka), auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        partition, said = -1, []
        while any([await consumer.position(each) < end for each, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                for record in batch:
                    event = decode(record.value, record.headers)
                    if isinstance(event, AnalysisProgressed) and event.file_id == story.file_id:
                        partition = record.partition
                        said.append((record.offset, event.fraction))
        return partition, said
    finally:
        await consumer.stop()


async def test_a_snapshot_holds_exactly_what_lies_before_its_positions(
    client: Client, story: Story, settings: Settings
) -> None:
    await story.say(story.uploaded(), story.requested("a-one"), story.started("a-one"))
    await client.file_when(story.file_id, lambda body: body["status"] == "running", "it runs")
    snapshots: list[dict[str, Any]] = []

    async def look() -> None:
        answer = await client.http.get("/internal/v1/snapshot", params={"file_id": str(story.file_id)})
        assert answer.status_code == 200
        snapshots.append(answer.json())

    for start in range(1, 201, 5):
        some = [story.progressed("a-one", number, number / 200) for number in range(start, start + 5)]
        await asyncio.gather(story.say(*some), look())
    await client.file_when(story.file_id, lambda body: body["run"]["analyses"][0]["fraction"] == 1, "all progress")
    partition, said = await progress_by_offset(settings, story)
    assert len(said) == 200
    seen = set()
    for snapshot in snapshots:
        position = snapshot["topics"][ANALYSES.name]["positions"][str(partition)]
        [file] = snapshot["files"]
        [analysis] = file["run"]["analyses"]
        assert analysis["fraction"] == max((fraction for offset, fraction in said if offset < position), default=0.0)
        seen.add(analysis["fraction"])
    assert len(seen) > 3, "snapshots were taken while it was being written"


async def test_a_snapshot_names_topics_and_all_partitions(
    client: Client, publisher: Publisher, settings: Settings, engine: AsyncEngine
) -> None:
    stories = [Story(publisher, client.owner) for _ in range(3)]
    for each in stories:
        await each.say(each.uploaded())
    for each in stories:
        await client.file_when(each.file_id, lambda body: body["filename"], "the file")
    body = (await client.http.get("/internal/v1/snapshot")).json()
    assert [each["file_id"] for each in body["files"]] == [str(each.file_id) for each in reversed(stories)]
    ids = await topic_ids(settings.kafka, [FILES.name, FILES_BULK.name, ANALYSES.name])
    assert {name: topic["id"] for name, topic in body["topics"].items()} == {name: str(i) for name, i in ids.items()}
    for topic in body["topics"].values():
        assert sorted(map(int, topic["positions"])) == list(range(12))


async def test_an_owners_snapshot_has_the_newest_files_and_older_ones_that_are_unfinished(
    client: Client, publisher: Publisher, recorder: Recorder
) -> None:
    begun, waiting, done, *newest = stories = [Story(publisher, client.owner) for _ in range(SNAPSHOT_NEWEST + 3)]
    events: list[Event] = []
    for each in stories:
        events += [each.uploaded(), each.requested("a-one")]
        if each in (done, *newest):
            events.append(each.completed("a-one"))
    await recorder.record(*events, begun.started("a-one"), at_once=400)
    body = (await client.http.get("/internal/v1/snapshot")).json()
    expected = [*reversed(newest), waiting, begun]
    assert [each["file_id"] for each in body["files"]] == [str(each.file_id) for each in expected]
    assert [each["status"] for each in body["files"][-3:]] == ["analyzed", "queued", "running"]
