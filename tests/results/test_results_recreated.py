"""A broker that was made anew: its topics have the same names, other ids, and nothing in them."""

import shutil
from pathlib import Path

import asyncpg
import pytest
from support.services import running_service
from support.topics import kafka_settings

from assay.embedded.stack import Stack
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher, ensure_topics
from results.story import Story, eventually

Positions = dict[tuple[str, int], tuple[str, int]]


async def reports(database: asyncpg.Connection, owner: str) -> int:
    found: int = await database.fetchval(
        "SELECT count(*) FROM results.runs WHERE owner_id = $1 AND report IS NOT NULL", owner
    )
    return found


async def positions(database: asyncpg.Connection) -> Positions:
    rows = await database.fetch("SELECT topic, partition, topic_id::text, next_offset FROM results.positions")
    return {(topic, partition): (topic_id, offset) for topic, partition, topic_id, offset in rows}


async def say(environment: dict[str, str], owner: str, files: int) -> None:
    """Upload, request and verdict of new files, as other services say them."""
    settings = kafka_settings(environment)
    await ensure_topics(settings)
    publisher = Publisher(settings, source="/assay/tests")
    await publisher.start()
    try:
        for _ in range(files):
            story = Story(publisher, owner)
            await story.say(story.uploaded(), story.requested("a-one"), story.completed("a-one"))
    finally:
        await publisher.stop()


@pytest.mark.proof
@pytest.mark.timeout(240)
async def test_a_recreated_broker_is_read_from_its_beginning_and_what_was_known_stays(tmp_path: Path) -> None:
    with Stack(tmp_path / "home") as stack:
        environment = {**stack.environment("results"), "ASSAY_PEERS": "{}", "ASSAY_LOG__FORMAT": "json"}
        database = await asyncpg.connect(environment["ASSAY_DATABASE__URL"].replace("+asyncpg", ""))
        owner = f"owner-{new_id()}"

        async def until(files: int) -> None:
            async def look() -> bool:
                return await reports(database, owner) == files

            await eventually(look, f"{files} reports", limit_s=60)

        try:
            with running_service("results", environment, tmp_path):
                await say(environment, owner, 6)
                await until(6)
            before = await positions(database)
            kafka = next(each for each in stack.parts if each.name == "kafka")
            stack.stop_processes([kafka.name])
            shutil.rmtree(stack.home.folder("kafka"))
            stack.home.folder("kafka")
            stack.start_part(kafka)
            stack.wait_ready(kafka)
            # Fewer than before: at the old positions nothing of them would ever be read.
            with running_service("results", environment, tmp_path):
                await say(environment, owner, 3)
                await until(9)
                after = await positions(database)
        finally:
            await database.close()
    assert before.keys() == after.keys()
    assert all(before[each][0] != after[each][0] for each in before), "each topic has another id"
    read = {name: sum(offset for (topic, _), (_, offset) in after.items() if topic == name) for name, _ in after}
    assert read["assay.files"] == 6, "the new topic's records, and no position of the old one"
