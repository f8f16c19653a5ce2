"""People's files are written before what waits in the bulk lane."""

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.services import ServiceProcess
from support.uploads import eventually

from assay.contracts.topics import FILES_BULK
from assay.shared.kafka import Publisher
from results.story import Client, Story

WAITING = 6000


async def test_a_backfill_that_waits_holds_up_nobodys_report(
    client: Client, story: Story, publisher: Publisher, engine: AsyncEngine, results: ServiceProcess
) -> None:
    assert results.stop() == 0
    for _ in range(0, WAITING, 500):
        requests = [Story(publisher, client.owner).requested("a-one") for _ in range(500)]
        await asyncio.gather(*[await publisher.hand_over(each, topic=FILES_BULK.name) for each in requests])
    await story.say(story.uploaded(), story.requested("a-one"), story.completed("a-one"))
    results.start(wait=False)
    # Transactions have rising numbers: so many runs were written by those before the report's.
    before = text(
        "SELECT count(*) FROM runs AS bulk, runs AS mine WHERE bulk.owner_id = :owner AND mine.file_id = :id "
        "AND mine.report IS NOT NULL AND bulk.xmin::text::bigint < mine.xmin::text::bigint"
    ).bindparams(owner=client.owner, id=story.file_id)
    reported = text("SELECT count(*) FROM runs WHERE file_id = :id AND report IS NOT NULL").bindparams(id=story.file_id)
    async with engine.connect() as connection:

        async def is_reported() -> bool:
            await connection.rollback()
            return bool(await connection.scalar(reported))

        await eventually(is_reported, seconds=60)
        bulk = await connection.scalar(before)
    assert bulk is not None
    assert bulk < WAITING / 2
    results.wait_ready()
