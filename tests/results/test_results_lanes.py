"""People's files are written before what waits in the bulk lane."""

import asyncio

from results.story import Client, Story
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from support.services import ServiceProcess

from assay.contracts.topics import FILES_BULK
from assay.shared.kafka import Publisher

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
    written = text(
        "SELECT (SELECT sum(next_offset) FROM positions WHERE topic = 'assay.files.bulk'), "
        "EXISTS (SELECT 1 FROM runs WHERE file_id = :id AND report IS NOT NULL)"
    ).bindparams(id=story.file_id)
    async with asyncio.timeout(60), engine.connect() as connection:
        while True:
            [(bulk, is_reported)] = await connection.execute(written)
            await connection.rollback()
            if is_reported:
                break
            await asyncio.sleep(0.01)
    assert bulk < WAITING / 2
    results.wait_ready()
