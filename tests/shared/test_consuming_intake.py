"""What is read ahead is bounded, a full buffer loses nothing and costs no membership, slots go to whom they should."""

import asyncio
import logging
from collections import Counter

import pytest
from aiokafka import TopicPartition
from support.consuming import Bench, eventually, text_of

from assay.contracts.topics import Topic
from assay.shared import backoff
from assay.shared.commit_metadata import decode
from assay.shared.consuming import FETCH_BYTES, Delivery, Lane, Ordering
from assay.shared.kafka import ensure_topics


async def test_a_full_buffer_pauses_and_nothing_is_lost_or_doubled(wide_bench: Bench) -> None:
    """Pausing again and again: the buffer is far smaller than what one fetch brings."""
    bench, done = wide_bench, Counter[str]()
    most = 0

    async def handler(delivery: Delivery) -> None:
        nonlocal most
        most = max(most, sum(held.waiting for held in member._held.values()))
        await asyncio.sleep(0.001)
        done[text_of(delivery).strip()] += 1

    await bench.send_many(3000, padding=1000)
    async with bench.member(handler, buffer_records=60, window=16, ordering=Ordering.NONE) as member:
        await eventually(lambda: len(done) == 3000, "all are done")
        await bench.send_many(10)
        await eventually(lambda: done.total() == 3010, "what comes later is done too")
    assert max(done.values()) == 2
    assert await bench.committed_sum() == 3010
    # Six partitions, each at most its share, 10, and one fetch of 256 KiB, 250 records.
    assert 60 <= most <= 6 * 260


async def test_a_handler_that_takes_long_keeps_its_membership(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """With every slot taken and the buffer full for five times the poll interval, the group has no reason to act."""
    entered, gate, done = 0, asyncio.Event(), Counter[str]()

    async def handler(delivery: Delivery) -> None:
        nonlocal entered
        entered += 1
        await gate.wait()
        done[text_of(delivery)] += 1

    await bench.send_many(300)
    with caplog.at_level(logging.INFO, logger="aiokafka"):
        async with bench.member(
            handler, window=4, buffer_records=20, ordering=Ordering.NONE, max_poll_interval_ms=1000
        ) as member:
            await eventually(lambda: entered == 4, "every slot is taken")
            await member.commit()
            await asyncio.sleep(5)  # the time that passes is what is tested
            joined = [record for record in caplog.records if "Joined group" in record.getMessage()]
            assert len(joined) == 1
            assert entered == 4
            assert member.seconds_stalled() >= 4.9
            member.moved()
            assert member.seconds_stalled() < 1
            gate.set()
            await eventually(lambda: len(done) == 300, "all are done")
    assert set(done.values()) == {1}
    assert await bench.committed_sum() == 300


async def test_one_partition_does_not_fill_the_buffer_for_the_others(wide_bench: Bench) -> None:
    bench, gate, quick = wide_bench, asyncio.Event(), set[int]()

    async def handler(delivery: Delivery) -> None:
        if text_of(delivery).startswith("stuck"):
            await gate.wait()
        quick.add(delivery.partition)

    # One key is one partition, and with order by key its second record waits for its first.
    await asyncio.gather(*(bench.send(f"stuck {number}", key="one") for number in range(500)))
    async with bench.member(handler, buffer_records=60, window=8):
        for number in range(60):
            await bench.send("quick", key=f"other-{number}")
        await eventually(lambda: len(quick) >= 5, "the others' records are handled")
        gate.set()
        await eventually(lambda: len(quick) == 6, "the stuck ones go on")


async def test_intake_waits_where_a_commit_cannot_say_what_is_done(bench: Bench) -> None:
    """Every second record is done: that is more ranges than 4096 bytes hold."""
    gate, done = asyncio.Event(), Counter[str]()

    async def handler(delivery: Delivery) -> None:
        if delivery.offset % 2 == 0:
            await gate.wait()
        done[text_of(delivery).strip()] += 1

    await bench.send_many(12_000, padding=300)
    partition = TopicPartition(bench.topic, 0)
    async with bench.member(handler, window=12_000, buffer_records=12_000, ordering=Ordering.NONE) as member:
        await eventually(lambda: partition in member._held, "the partition is assigned")
        held = member._held[partition]
        await eventually(lambda: not held.has_room_for_notes and held.is_paused, "intake waits")
        await member.commit()
        stored = (await bench.commits())[partition]
        note = decode(stored.metadata, stored.offset)
        assert note is not None
        assert len(stored.metadata) <= 4096
        assert stored.offset == 0
        # What it says is true: odd offsets only.
        assert all((first % 2, end - first) == (1, 1) for first, end in note.finished)
        assert len(note.finished) > 500
        assert held.tracker.next < 12_000
        gate.set()
        await eventually(lambda: len(done) == 12_000, "all are done")
    assert set(done.values()) == {1}
    assert await bench.committed_sum() == 12_000


async def test_a_record_larger_than_a_fetch_is_taken(bench: Bench) -> None:
    sizes: list[int] = []

    async def handler(delivery: Delivery) -> None:
        sizes.append(len(delivery.value or b""))

    async with bench.member(handler):
        await bench.send("small", "x" * 2 * FETCH_BYTES, "small again")
        await eventually(lambda: len(sizes) == 3, "all are done")
    assert sizes == [5, 2 * FETCH_BYTES, 11]


async def test_a_retry_holds_no_slot_while_it_waits(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.5)
    order: list[str] = []

    async def handler(delivery: Delivery) -> None:
        order.append(f"{text_of(delivery)} {delivery.attempt}")
        if text_of(delivery) == "0" and delivery.attempt == 1:
            raise ValueError("not yet")

    await bench.send_many(200)
    async with bench.member(handler, window=1, ordering=Ordering.NONE):
        await eventually(lambda: "0 2" in order, "it is tried again")
    assert order[0] == "0 1"
    assert order.index("0 2") == 200  # everything else went before
    assert await bench.committed_sum() == 200


async def test_those_that_wait_to_be_tried_again_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an outage every record fails: the topic must not be read to its end meanwhile."""
    monkeypatch.setattr(backoff, "FIRST_S", 20.0)
    failed = 0

    async def handler(delivery: Delivery) -> None:
        nonlocal failed
        failed += 1
        raise ConnectionError("everything is away")

    await bench.send_many(3000, padding=1000)
    async with bench.member(handler, window=16, buffer_records=50, ordering=Ordering.NONE) as member:
        held = member._held
        await eventually(
            lambda: failed >= 50 and all(each.is_paused and each.waiting == failed for each in held.values()),
            "all that was taken waits, and the partition is paused",
        )
        assert failed <= 350  # the share, and one fetch


async def test_people_find_a_slot_while_bulk_work_fills_what_it_may(bench: Bench) -> None:
    bulk = f"{bench.topic}.bulk"
    await ensure_topics(bench.settings, [Topic(bulk, "of a test", 1)])
    gate, running, handled = asyncio.Event(), Counter[str](), Counter[str]()

    async def handler(delivery: Delivery) -> None:
        running[delivery.topic] += 1
        if delivery.topic == bulk:
            await gate.wait()
        handled[delivery.topic] += 1

    await bench.send_many(100, topic=bulk)
    lanes = {bench.topic: Lane(weight=8), bulk: Lane(weight=1, share=0.75)}
    async with bench.member(
        handler, topics=(bench.topic, bulk), lanes=lanes, window=4, ordering=Ordering.NONE
    ) as member:
        await eventually(lambda: running[bulk] == 3, "bulk work fills its share")
        await bench.send_many(50)
        await eventually(lambda: handled[bench.topic] == 50, "people are served")
        assert running[bulk] == 3
        assert member.seconds_stalled() < 5
        gate.set()
        await eventually(lambda: handled[bulk] == 100, "bulk work goes on")


async def test_owners_take_turns(bench: Bench) -> None:
    order: list[str] = []

    async def handler(delivery: Delivery) -> None:
        order.append(text_of(delivery))
        await asyncio.sleep(0.002)

    await asyncio.gather(*(bench.send(f"many {number}", key=f"{number}") for number in range(200)))
    await bench.send("one 0", "one 1", key="one")
    async with bench.member(handler, window=2, ordering=Ordering.NONE, turn_of=lambda record: record.value.split()[0]):
        await eventually(lambda: len(order) == 202, "all are done")
    # Both owners were in the buffer from early on.
    assert order.index("one 1") < 150


async def test_what_is_urgent_overtakes_even_where_no_slot_is_free(bench: Bench) -> None:
    gate, done = asyncio.Event(), list[str]()

    async def handler(delivery: Delivery) -> None:
        if text_of(delivery) == "long":
            await gate.wait()
        done.append(text_of(delivery))

    async with bench.member(handler, window=1, urgent=lambda record: record.value == b"deletion"):
        await bench.send("long", "behind it", "deletion")  # of one key, too
        await eventually(lambda: done == ["deletion"], "the deletion is done")
        gate.set()
        await eventually(lambda: len(done) == 3, "all are done")
    assert done == ["deletion", "long", "behind it"]
    assert await bench.committed_sum() == 3


async def test_a_record_whose_owner_cannot_be_told_is_handled_all_the_same(bench: Bench) -> None:
    done: list[str] = []

    async def handler(delivery: Delivery) -> None:
        done.append(text_of(delivery))

    def no_owner(record: object) -> str:
        raise ValueError("no owner in it")

    async with bench.member(handler, turn_of=no_owner):
        await bench.send("odd")
        await eventually(lambda: done == ["odd"], "it is done")


async def test_a_handler_that_was_cancelled_by_what_it_waited_for_is_tried_again(bench: Bench) -> None:
    attempts: list[int] = []

    async def handler(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        if delivery.attempt == 1:
            waiting = asyncio.ensure_future(asyncio.sleep(60))
            waiting.cancel()
            await waiting

    async with bench.member(handler):
        await bench.send("odd")
        await eventually(lambda: attempts == [1, 2], "it is tried again")
    assert await bench.committed_sum() == 1
