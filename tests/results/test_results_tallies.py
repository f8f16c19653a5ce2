"""Tallies are what the rows say, whatever is heard, how often and in which order, and while they are being summed."""

import asyncio
import json
import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncEngine

from assay.contracts import Event
from assay.results import summing
from assay.results.main import MIGRATIONS
from assay.results.summing import Summing
from assay.results.tallying import OF_FILES, WHOLE, bucket_of, day_of
from assay.shared import database
from assay.shared.database import Driver
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher
from results.recorder import Recorder
from results.story import Story, verdict
from results.test_results_api_stats import id_of
from results.test_results_migrations import MAY

Tallies = Mapping[tuple[date, str], Mapping[str, int]]
NOTHING = verdict("no_findings", score=0.1)


def count() -> str:
    """How the migration counts what it finds: in SQL, all at once."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    text: str = ScriptDirectory.from_config(config).get_revision("0007").module.COUNT
    return text


async def counted(driver: Driver, owner: str) -> Tallies:
    """From the rows."""
    statement = f"SELECT day, subject, counts::text FROM ({count()}) AS c WHERE owner_id = $1"  # noqa: S608  # its text
    found = await driver.fetch(statement, owner)
    return {(day, subject): json.loads(counts) for day, subject, counts in found}


async def kept(driver: Driver, owner: str) -> Tallies:
    """From the tallies, and what was changed since."""
    sums: defaultdict[tuple[date, str], Counter[str]] = defaultdict(Counter)
    for day, subject, counts in await driver.fetch(
        "SELECT day, subject, counts::text FROM tallies WHERE owner_id = $1", owner
    ):
        sums[day, subject].update(json.loads(counts))
    changes = await driver.fetch("SELECT day, subject, counts::text FROM tally_changes WHERE owner_id = $1", owner)
    for day, subject, counts in changes:
        for when in {day, WHOLE}:
            sums[when, subject].update(json.loads(counts))
    nonzero = {key: {name: number for name, number in each.items() if number} for key, each in sums.items()}
    return {key: each for key, each in nonzero.items() if each}


def storm(publisher: Publisher, owner: str, chance: random.Random) -> list[Event]:
    """What may be heard of a dozen files of many days: everything, twice, and some of it after a deletion."""
    events: list[Event] = []
    for number in range(12):
        story = Story(publisher, owner, file_id=id_of(MAY.replace(day=1 + number % 5)))
        story.run_id = id_of(MAY.replace(day=2 + number % 5))
        child = Story(publisher, owner)
        events += [
            story.uploaded(),
            story.requested("one", "two", "three"),
            story.started("one"),
            story.progressed("one", 1, 0.5),
            story.completed(
                "one", NOTHING, duration_ms=chance.choice((0, 1, 7, 150, 90_000)), derived=(child.file_id,)
            ),
            story.completed("two", duration_ms=chance.randrange(1, 10**6)),
            story.failed("three"),
            child.derived(story, "one", "two"),
            child.completed("two", NOTHING, duration_ms=3),
        ]
        if number % 3 == 0:
            events.append(story.deleted())
    again = [*events, *events]
    chance.shuffle(again)
    return again


async def test_tallies_are_what_the_rows_say(recorder: Recorder, publisher: Publisher, engine: AsyncEngine) -> None:
    """The service sums meanwhile, and so does this test, in small bites."""
    chance = random.Random(7)
    owner = f"owner-{new_id()}"
    seeing = database.driver_transactions(engine, isolation="repeatable_read", readonly=True)
    adding = Summing(database.driver_transactions(engine))
    events = storm(publisher, owner, chance)
    seen: list[Tallies] = []

    async def look() -> None:
        async with seeing() as driver:
            seen.append(await kept(driver, owner))
            assert await counted(driver, owner) == seen[-1]

    while events:
        some, events = events[: (size := chance.randrange(1, 30))], events[size:]
        await asyncio.gather(recorder.record(*some, at_once=chance.choice((1, 10, 30))), look(), adding.sum_some())
    await look()
    assert len({json.dumps(sorted((str(key), value) for key, value in each.items())) for each in seen}) > 5
    assert seen[-1][WHOLE, OF_FILES]["files"] == 16, "8 of 12 are left, each with one that was found inside"
    assert seen[-1][WHOLE, "three"] == {"status/failed": 8}
    while await adding.sum_some():
        pass
    await look()
    assert seen[-1] == seen[-2], "adding changes nothing"


async def test_what_is_gone_leaves_no_tally(recorder: Recorder, publisher: Publisher, engine: AsyncEngine) -> None:
    owner = f"owner-{new_id()}"
    stories = [Story(publisher, owner, file_id=each) for each in (new_id(), uuid4(), UUID(int=(7 << 76) | (15 << 124)))]
    for story in stories:
        await recorder.record(story.uploaded(), story.requested("one"), story.completed("one"))
    adding = Summing(database.driver_transactions(engine))
    while await adding.sum_some():
        pass
    async with database.driver_transactions(engine)() as driver:
        assert (await kept(driver, owner))[WHOLE, OF_FILES]["files"] == 3
        assert (await kept(driver, owner)) == await counted(driver, owner)
    for story in stories:
        await recorder.record(story.deleted())
    while await adding.sum_some():
        pass
    async with database.driver_transactions(engine)() as driver:
        for table in ("tallies", "tally_changes"):
            assert await driver.fetchval(f"SELECT count(*) FROM {table} WHERE owner_id = $1", owner) == 0  # noqa: S608


async def test_everybody_is_the_sum_of_all_owners(
    recorder: Recorder, publisher: Publisher, engine: AsyncEngine
) -> None:
    for _ in range(2):
        story = Story(publisher, f"owner-{new_id()}")
        await recorder.record(story.uploaded(), story.requested("one", "two"), story.completed("one"))
    adding = Summing(database.driver_transactions(engine))
    while await adding.sum_some() >= summing.AT_ONCE:
        pass
    async with database.driver_transactions(engine, isolation="repeatable_read", readonly=True)() as driver:
        owners = await driver.fetch("SELECT DISTINCT owner_id FROM tallies WHERE owner_id <> ''")
        sums: defaultdict[tuple[date, str], Counter[str]] = defaultdict(Counter)
        for day, subject, counts in await driver.fetch(
            "SELECT day, subject, counts::text FROM tallies WHERE owner_id <> ''"
        ):
            sums[day, subject].update(json.loads(counts))
        everybody: dict[Any, Any] = {
            (day, subject): json.loads(counts)
            for day, subject, counts in await driver.fetch(
                "SELECT day, subject, counts::text FROM tallies WHERE owner_id = ''"
            )
        }
    assert len(owners) > 1
    assert everybody == {
        key: {name: number for name, number in each.items() if number}
        for key, each in sums.items()
        if any(each.values())
    }


def test_days_and_buckets() -> None:
    assert day_of(id_of(MAY)) == MAY.date()
    assert day_of(uuid4()) == WHOLE, "an id that tells no time"
    assert day_of(UUID(int=(2**48 - 1) << 80 | 7 << 76)) == WHOLE, "a day beyond the calendar"
    assert bucket_of(1) == 8
    assert bucket_of(1023) == 80
