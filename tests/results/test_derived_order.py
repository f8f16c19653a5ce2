"""Topics have no common order: whatever is read first, a family of files ends in the same rows.

The order is decided here, record by record, by the service's own use case on the service's own tables.
"""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import pytest
from aiokafka import AIOKafkaConsumer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from assay.contracts import Event, RunCompleted, decode
from assay.contracts.topics import VERDICTS
from assay.results.settings import Settings
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher, connection
from results.recorder import Recorder
from results.story import Story, eventually, verdict

NOTHING = verdict("no_findings", score=0.1)


@pytest.fixture
def owner() -> str:
    return f"owner-{new_id()}"


async def rows(engine: AsyncEngine, query: str, **values: object) -> list[dict[str, object]]:
    async with engine.connect() as connection:
        found = await connection.execute(text(query).bindparams(**values))
        return [dict(each) for each in found.mappings()]


async def run_of(engine: AsyncEngine, file_id: UUID) -> dict[str, object]:
    """What of a run is the same for all families."""
    [row] = await rows(
        engine,
        "SELECT status, label, score, completed_at, report->>'summary' AS summary, "
        "(SELECT count(*) FROM jsonb_path_query(report, '$.evidence[*].where.derived_file_id')) AS inside "
        "FROM runs WHERE file_id = :id",
        id=file_id,
    )
    return row


async def reports(settings: Settings, owner: str) -> Counter[UUID]:
    """How often a report was published for each file of an owner."""
    consumer = AIOKafkaConsumer(
        VERDICTS.name, **connection(settings.kafka), auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        found: Counter[UUID] = Counter()
        while any([await consumer.position(each) < end for each, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                events = [decode(record.value, record.headers) for record in batch]
                found.update(e.file_id for e in events if isinstance(e, RunCompleted) and e.owner_id == owner)
        return found
    finally:
        await consumer.stop()


def family(publisher: Publisher, owner: str) -> tuple[Sequence[Story], list[Event]]:
    """A mail with an archive with a picture, and all that makes its reports."""
    mail, archive, picture = stories = [Story(publisher, owner) for _ in range(3)]
    return stories, [
        mail.requested("mail"),
        mail.completed("mail", NOTHING, derived=(archive.file_id,)),
        archive.derived(mail, "mail", "unzip"),
        archive.completed("unzip", NOTHING, derived=(picture.file_id,)),
        picture.derived(archive, "unzip", "jpeg-forensics", depth=2),
        picture.completed("jpeg-forensics"),
    ]


async def test_any_order_gives_the_same_report(
    recorder: Recorder, publisher: Publisher, engine: AsyncEngine, settings: Settings, owner: str
) -> None:
    orders = random.Random(4).sample(list(itertools.permutations(range(6))), 60)
    families = []
    for order in [tuple(range(6)), tuple(reversed(range(6))), *orders]:
        stories, events = family(publisher, owner)
        for number, which in enumerate(order):
            assert number == 0 or not await rows(
                engine, "SELECT 1 FROM runs WHERE file_id = :id AND report IS NOT NULL", id=stories[0].file_id
            ), "the parent's report waits for everything"
            await recorder.record(events[which])
        families.append((order, stories))
    first = await run_of(engine, families[0][1][0].file_id)
    assert (first["status"], first["label"], first["inside"]) == ("analyzed", "manipulated", 2)
    for order, stories in families:
        assert await run_of(engine, stories[0].file_id) == first, order
        assert [(await run_of(engine, each.file_id))["label"] for each in stories] == ["manipulated"] * 3

    async def published() -> Counter[UUID] | None:
        found = await reports(settings, owner)
        return found if len(found) == 3 * len(families) else None

    assert set((await eventually(published, "all reports")).values()) == {1}


async def test_any_order_in_any_batches_gives_the_same_report(
    recorder: Recorder, publisher: Publisher, engine: AsyncEngine, settings: Settings, owner: str
) -> None:
    """What is read together is settled once, and ends in the rows that it would have had one by one."""
    draw = random.Random(5)
    stories, events = family(publisher, owner)
    await recorder.record(*events)
    first = await run_of(engine, stories[0].file_id)
    count = 1
    for at_once in (2, 3, 4, 6):
        for _ in range(8):
            stories, events = family(publisher, owner)
            noise = [stories[2].started("jpeg-forensics"), stories[2].progressed("jpeg-forensics", 1, 0.5)]
            await recorder.record(*draw.sample([*events, *noise], 8), at_once=at_once)
            assert await run_of(engine, stories[0].file_id) == first
            count += 1
    # Whole families in one batch, mixed, each event twice.
    families = [family(publisher, owner) for _ in range(10)]
    everything = 2 * [event for _, events in families for event in events]
    await recorder.record(*draw.sample(everything, len(everything)), at_once=len(everything))
    for stories, _ in families:
        assert await run_of(engine, stories[0].file_id) == first
    count += len(families)

    async def published() -> Counter[UUID] | None:
        found = await reports(settings, owner)
        return found if len(found) == 3 * count else None

    assert set((await eventually(published, "all reports")).values()) == {1}


async def test_a_deletion_in_a_batch_leaves_nothing(
    recorder: Recorder, publisher: Publisher, engine: AsyncEngine, owner: str
) -> None:
    draw = random.Random(6)
    for at_once in (2, 5, 7):
        for _ in range(8):
            stories, events = family(publisher, owner)
            await recorder.record(*draw.sample([*events, stories[0].deleted()], 7), at_once=at_once)
            for each in stories:
                assert await rows(engine, "SELECT 1 FROM deleted_files WHERE file_id = :id", id=each.file_id)
    for table in ("files", "runs", "analyses"):
        assert await rows(engine, f"SELECT 1 FROM {table} WHERE owner_id = :owner", owner=owner) == []  # noqa: S608


async def test_batches_that_share_families_wait_for_each_other_in_no_circle(
    recorder: Recorder, publisher: Publisher, engine: AsyncEngine, owner: str
) -> None:
    """Twelve members write batches about the same families at once, deletions among them; none is ever refused."""
    draw = random.Random(7)
    families = [family(publisher, owner) for _ in range(30)]
    gone = families[::3]
    everything = [event for _, events in families for event in events]
    everything += [stories[draw.randrange(2)].deleted() for stories, _ in gone]
    shuffled = draw.sample(everything, len(everything))
    await asyncio.gather(*(recorder.record(*shuffled[member::12], partition=member, at_once=5) for member in range(12)))
    left = {stories[0].file_id for stories, _ in families} - {stories[0].file_id for stories, _ in gone}
    for each in left:
        assert (await run_of(engine, each))["label"] == "manipulated"


async def test_a_redelivery_of_anything_changes_no_row(
    recorder: Recorder, publisher: Publisher, engine: AsyncEngine, owner: str
) -> None:
    (mail, archive, picture), events = family(publisher, owner)
    # A worker that died after announcing announces again, at another time.
    again = archive.derived(mail, "mail", "unzip", "provenance")
    other_run = picture.derived(archive, "unzip", "provenance", run_id=new_id())
    await recorder.record(*events)

    async def everything() -> list[list[dict[str, object]]]:
        return [
            await rows(engine, f"SELECT * FROM {table} WHERE owner_id = :owner ORDER BY 1, 2", owner=owner)  # noqa: S608
            for table in ("files", "runs", "analyses")
        ]

    before = await everything()
    for order in (events, events[::-1], [again, other_run]):
        await recorder.record(*order)
        await recorder.record(*order, at_once=6)
    assert await everything() == before
    assert mail.file_id in {row["file_id"] for row in before[0]}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_whenever_the_parent_is_deleted_all_inside_is(
    order: tuple[int, ...], recorder: Recorder, publisher: Publisher, engine: AsyncEngine, owner: str
) -> None:
    stories, events = family(publisher, owner)
    news = [events[0], events[2], events[4], stories[0].deleted()]
    await recorder.record(*(news[which] for which in order))
    # What comes late resurrects nothing.
    await recorder.record(*events)
    for table in ("files", "runs", "analyses"):
        assert await rows(engine, f"SELECT 1 FROM {table} WHERE owner_id = :owner", owner=owner) == []  # noqa: S608
    for each in stories:
        assert await rows(engine, "SELECT 1 FROM deleted_files WHERE file_id = :id", id=each.file_id), order


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
async def test_whenever_a_file_inside_is_deleted_the_parent_goes_on(
    order: tuple[int, ...], recorder: Recorder, publisher: Publisher, engine: AsyncEngine, owner: str
) -> None:
    mail, inside = Story(publisher, owner), Story(publisher, owner)
    news = [
        mail.requested("mail"),
        mail.completed("mail", NOTHING, derived=(inside.file_id,)),
        inside.derived(mail, "mail", "jpeg-forensics"),
        inside.deleted(),
    ]
    await recorder.record(*(news[which] for which in order))
    assert (await run_of(engine, mail.file_id))["label"] == "no_findings"


async def test_a_deletion_at_the_same_time_leaves_nothing(
    recorder: Recorder, publisher: Publisher, engine: AsyncEngine, owner: str
) -> None:
    for _ in range(20):
        mail, inside = Story(publisher, owner), Story(publisher, owner)
        await recorder.record(mail.requested("mail"))
        await recorder.together(mail.deleted(), inside.derived(mail, "mail", "jpeg-forensics"))
    assert await rows(engine, "SELECT file_id FROM files WHERE owner_id = :owner", owner=owner) == []


async def test_those_that_end_at_the_same_time_conclude_the_parent_once(
    recorder: Recorder, publisher: Publisher, engine: AsyncEngine, settings: Settings, owner: str
) -> None:
    mails = []
    for _ in range(10):
        mail = Story(publisher, owner)
        inside = [Story(publisher, owner) for _ in range(10)]
        await recorder.record(
            mail.requested("mail"), *(each.derived(mail, "mail", "jpeg-forensics") for each in inside)
        )
        await recorder.together(
            mail.completed("mail", NOTHING, derived=tuple(each.file_id for each in inside)),
            *(each.completed("jpeg-forensics") for each in inside),
        )
        assert (await run_of(engine, mail.file_id))["inside"] == 10
        mails.append(mail.file_id)

    async def published() -> Counter[UUID] | None:
        found = await reports(settings, owner)
        return found if len(found) == 11 * len(mails) else None

    assert set((await eventually(published, "all reports")).values()) == {1}


async def test_a_later_run_waits_for_what_its_own_verdicts_name(
    recorder: Recorder, publisher: Publisher, engine: AsyncEngine, owner: str
) -> None:
    """A reused verdict names the files that an earlier run found; and a new run of such a file holds nobody up."""
    mail, inside = Story(publisher, owner), Story(publisher, owner)
    second = new_id()
    await recorder.record(
        mail.requested("mail"),
        mail.failed("mail"),
        mail.requested("mail", number=2, run_id=second),
        mail.completed("mail", NOTHING, derived=(inside.file_id,), run_id=second),
        inside.derived(mail, "mail", "jpeg-forensics"),
        inside.requested("jpeg-forensics", number=2, run_id=new_id()),
        inside.completed("jpeg-forensics"),
    )
    found = await rows(
        engine, "SELECT run_number, status, label FROM runs WHERE file_id = :id ORDER BY 1", id=mail.file_id
    )
    assert [tuple(each.values()) for each in found] == [(1, "failed", "inconclusive"), (2, "analyzed", "manipulated")]
