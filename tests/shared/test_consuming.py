"""The parallel consumer on a real broker: nothing unfinished is committed, nothing is lost, whoever comes or goes."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from aiokafka import TopicPartition
from support.consuming import Bench, eventually, text_of
from support.topics import reading

from assay.contracts.cloudevents import header
from assay.contracts.dead_letters import (
    ATTEMPTS_HEADER,
    ERROR_HEADER,
    GROUP_HEADER,
    ORIGIN_HEADER,
    REDRIVE_GROUP_HEADER,
)
from assay.contracts.topics import DEAD_LETTERS
from assay.shared.consuming import Delivery, Ordering, PermanentError, TransientError
from assay.shared.kafka import Publisher

pytestmark = pytest.mark.usefixtures("short_backoff")


async def test_handlers_may_finish_out_of_order_but_commits_do_not(bench: Bench) -> None:
    gate, done = asyncio.Event(), []

    async def handler(delivery: Delivery) -> None:
        if text_of(delivery) == "0":
            await gate.wait()
        done.append(text_of(delivery))

    await bench.send("0", key="slow")
    for number in range(1, 6):
        await bench.send(str(number), key=f"quick-{number}")
    async with bench.member(handler) as member:
        await eventually(lambda: len(done) == 5, "the quick ones are done")
        await member.commit()
        assert await bench.committed_sum() == 0
        gate.set()
        await eventually(lambda: len(done) == 6, "all are done")
    assert await bench.committed() == {0: 6}


async def test_records_of_one_key_are_handled_one_after_the_other(bench: Bench) -> None:
    running: Counter[bytes] = Counter()
    seen: dict[bytes, list[int]] = {b"a": [], b"b": []}
    together = False

    async def handler(delivery: Delivery) -> None:
        nonlocal together
        running[delivery.key] += 1
        assert running[delivery.key] == 1
        together |= running.total() > 1
        await asyncio.sleep(0.002)
        seen[delivery.key].append(int(text_of(delivery)))
        running[delivery.key] -= 1

    for number in range(20):
        await bench.send(str(number), key="ab"[number % 2])
    async with bench.member(handler):
        await eventually(lambda: sum(map(len, seen.values())) == 20, "all are done")
    assert seen == {b"a": list(range(0, 20, 2)), b"b": list(range(1, 20, 2))}
    assert together


async def test_poison_becomes_a_dead_letter_and_the_next_records_go_on(bench: Bench) -> None:
    done: list[str] = []
    types: list[str | None] = []

    async def handler(delivery: Delivery) -> None:
        types.append(header(delivery.headers, "ce_type"))
        delivery.event()
        done.append(text_of(delivery))

    uploaded = ("ce_type", b"assay.file.uploaded.v1")
    async with reading(bench.environment, DEAD_LETTERS.name) as letters, bench.member(handler):
        await bench.send("null header", headers=[("odd", None), ("ce_type", None)])
        await bench.send("bad header", headers=[("odd", b"\xff\xfe"), ("ce_type", b"\xff")])
        await bench.send("{not json", headers=[uploaded, ("kept", None), ("also", b"\xff\xfe"), ("traceparent", b"x")])
        await bench.send('{"file_id": 7}', headers=[uploaded])
        await bench.publisher.send(bench.topic, b"k", None, [uploaded])
        await bench.send("next", headers=[("ce_type", b"some.newer.type.v9")])
        await eventually(lambda: "next" in done, "the record after them is done")
        found = await letters.wait_until(
            lambda records: sum(header(r.headers, GROUP_HEADER) == bench.group for r in records) >= 2
        )
    assert done == ["null header", "bad header", "", "next"]
    mine = [record for record in found if header(record.headers, GROUP_HEADER) == bench.group]
    assert [record.value for record in mine] == [b"{not json", b'{"file_id": 7}']
    assert list(mine[0].headers[:4]) == [uploaded, ("kept", None), ("also", b"\xff\xfe"), ("traceparent", b"x")]
    assert header(mine[0].headers, ORIGIN_HEADER) == f"{bench.topic}/0/2"
    assert "MalformedEventError" in (header(mine[0].headers, ERROR_HEADER) or "")
    assert await bench.committed() == {0: 6}


async def test_failures_are_tried_again_then_given_up(bench: Bench) -> None:
    attempts: Counter[str] = Counter()
    given_up: list[str] = []

    async def handler(delivery: Delivery) -> None:
        attempts[text_of(delivery)] += 1
        assert delivery.attempt == attempts[text_of(delivery)]
        if text_of(delivery) == "permanent":
            raise PermanentError("no use")
        if text_of(delivery) == "never" or attempts[text_of(delivery)] < 3:
            raise ValueError("not yet")

    async def gave_up(delivery: Delivery, error: BaseException) -> None:
        given_up.append(f"{text_of(delivery)}: {error}")

    async with reading(bench.environment, DEAD_LETTERS.name) as letters:  # noqa: SIM117
        async with bench.member(handler, max_attempts=4, gave_up=gave_up):
            for value in ("third time", "never", "permanent"):
                await bench.send(value, key=value)
            found = await letters.wait_until(
                lambda records: sum(header(r.headers, GROUP_HEADER) == bench.group for r in records) >= 2
            )
            await eventually(lambda: attempts["third time"] == 3, "the third attempt")
    assert attempts == {"third time": 3, "never": 4, "permanent": 1}
    assert sorted(given_up) == ["never: not yet", "permanent: no use"]
    said = {
        record.value: header(record.headers, ATTEMPTS_HEADER)
        for record in found
        if header(record.headers, GROUP_HEADER) == bench.group
    }
    assert said == {b"never": "4", b"permanent": "1"}
    assert await bench.committed() == {0: 3}


async def test_an_outage_is_waited_out(bench: Bench) -> None:
    attempts = 0
    done: list[str] = []

    async def handler(delivery: Delivery) -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= 8:
            raise TransientError("the database is away")
        done.append(text_of(delivery))

    async with bench.member(handler, max_attempts=2):
        await bench.send("kept")
        await eventually(lambda: done == ["kept"], "it is done after the outage")
    assert await bench.committed() == {0: 1}


async def test_a_dead_letter_that_cannot_be_written_is_not_passed_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Publisher.send
    failures = 3

    async def flaky(self: Publisher, topic: str, *rest: object) -> None:
        nonlocal failures
        if topic == DEAD_LETTERS.name and failures:
            failures -= 1
            raise ConnectionError("no broker")
        await sent(self, topic, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Publisher, "send", flaky)

    async def handler(delivery: Delivery) -> None:
        raise PermanentError("bad")

    async with reading(bench.environment, DEAD_LETTERS.name) as letters, bench.member(handler):
        await bench.send("bad")
        await letters.wait_until(lambda records: any(header(r.headers, GROUP_HEADER) == bench.group for r in records))
    assert failures == 0
    assert await bench.committed() == {0: 1}


async def test_a_record_redriven_for_another_group_is_skipped(bench: Bench) -> None:
    done: list[str] = []

    async def handler(delivery: Delivery) -> None:
        done.append(text_of(delivery))

    async with bench.member(handler):
        await bench.send("theirs", headers=[(REDRIVE_GROUP_HEADER, b"somebody-else")])
        await bench.send("ours", headers=[(REDRIVE_GROUP_HEADER, bench.group.encode())])
        await eventually(lambda: "ours" in done, "ours is done")
    assert done == ["ours"]
    assert await bench.committed() == {0: 2}


async def test_a_restart_goes_on_where_it_was(bench: Bench) -> None:
    done: list[str] = []

    async def handler(delivery: Delivery) -> None:
        done.append(text_of(delivery))

    await bench.send("0", "1", "2")
    async with bench.member(handler, instance_id="slot-0"):
        await eventually(lambda: len(done) == 3, "the first three are done")
    await bench.send("3", "4")
    async with bench.member(handler, instance_id="slot-0"):
        await eventually(lambda: len(done) >= 5, "the next two are done")
    assert done == ["0", "1", "2", "3", "4"]


async def test_drain_finishes_what_is_in_work_and_takes_no_more(bench: Bench) -> None:
    entered, gate = asyncio.Event(), asyncio.Event()
    done: list[str] = []

    async def handler(delivery: Delivery) -> None:
        entered.set()
        await gate.wait()
        done.append(text_of(delivery))

    async with bench.member(handler, window=1) as member:
        await bench.send("in work", "waits for room", key="a")
        await entered.wait()
        stopping = asyncio.create_task(member.stop(timeout_s=10))
        await asyncio.sleep(0)
        gate.set()
        await stopping
    assert done == ["in work"]
    assert await bench.committed() == {0: 1}


async def test_drain_cancels_what_takes_too_long_and_does_not_commit_it(bench: Bench) -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()
    redelivered: list[str] = []

    async def stuck(delivery: Delivery) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def handler(delivery: Delivery) -> None:
        redelivered.append(text_of(delivery))

    await bench.send("stuck")
    async with bench.member(stuck, instance_id="slot-0") as member:
        await entered.wait()
        await member.stop(timeout_s=0.05)
        assert cancelled.is_set()
    assert await bench.committed_sum() == 0
    async with bench.member(handler, instance_id="slot-0"):
        await eventually(lambda: redelivered == ["stuck"], "it is delivered again")


async def test_starts_where_it_is_told_and_asks_until_it_is_told(bench: Bench) -> None:
    done: list[str] = []
    asked = 0

    async def handler(delivery: Delivery) -> None:
        done.append(text_of(delivery))

    async def starts_at(assigned: set[TopicPartition]) -> dict[TopicPartition, int]:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise ConnectionError("the database is away")
        return dict.fromkeys(assigned, 2)

    await bench.send("0", "1", "2", "3")
    async with bench.member(handler, starts_at=starts_at, ordering=Ordering.PARTITION):
        await eventually(lambda: len(done) == 2, "the last two are done")
    assert (done, asked) == (["2", "3"], 2)


async def test_a_member_that_joins_loses_and_doubles_nothing(wide_bench: Bench) -> None:
    """Slow work is under way at every moment of the rebalance; none of it is run twice by who keeps its partition."""
    bench = wide_bench
    finished: Counter[str] = Counter()
    by_member: dict[str, set[int]] = {"first": set(), "second": set()}
    held = asyncio.Event()

    def member(name: str) -> Callable[[Delivery], Awaitable[None]]:
        async def handler(delivery: Delivery) -> None:
            by_member[name].add(delivery.partition)
            if delivery.offset == 0:
                await held.wait()
            await asyncio.sleep(0.005)
            finished[text_of(delivery)] += 1

        return handler

    async def feed(start: int, count: int) -> None:
        for number in range(start, start + count):
            await bench.send(str(number), key=f"key-{number}")

    await feed(0, 60)
    async with bench.member(member("first"), window=100) as first:
        await eventually(lambda: len(by_member["first"]) == 6, "the first has work of all partitions")
        first.assigned.clear()
        async with bench.member(member("second"), window=100) as second:
            await feed(60, 60)
            await eventually(lambda: second.assigned.is_set() and first.assigned.is_set(), "the group is balanced")
            await eventually(lambda: len(by_member["second"]) == 3, "the second has its share")
            held.set()
            await eventually(lambda: len(finished) == 120, "every record is done")
            await first.commit()
            await second.commit()
            assert await bench.committed_sum() == 120
        # The second has left; what it had goes back, and nothing of it is repeated, for it had drained.
        before = Counter(finished)
        await feed(120, 30)
        await eventually(lambda: len(finished) == 150, "the first does all again")
    kept = by_member["first"] - by_member["second"]
    assert len(kept) == 3
    assert all(count <= 2 for count in finished.values()), "at most once by each"
    assert all(finished[text] == count for text, count in before.items())
    assert await bench.committed_sum() == 150


async def test_records_of_partitions_that_stay_are_not_run_again(wide_bench: Bench) -> None:
    bench = wide_bench
    runs: Counter[tuple[int, int]] = Counter()
    moved: set[int] = set()
    held = asyncio.Event()

    async def first_handler(delivery: Delivery) -> None:
        runs[delivery.partition, delivery.offset] += 1
        await held.wait()

    async def second_handler(delivery: Delivery) -> None:
        moved.add(delivery.partition)

    for number in range(36):
        await bench.send(str(number), key=f"key-{number}")
    async with bench.member(first_handler, window=100) as first:
        await eventually(lambda: len(runs) == 36, "all are in work")
        first.assigned.clear()
        async with bench.member(second_handler):
            await eventually(lambda: first.assigned.is_set() and len(moved) == 3, "three partitions moved")
            # One more record to each partition that stays: behind it, everything redelivered was seen.
            for number in range(36, 100):
                await bench.send(str(number), key=f"key-{number}")
            await eventually(lambda: len({each for each in runs if each[0] not in moved}) > 36 // 2, "news came")
            held.set()
            await eventually(lambda: first.seconds_stalled() == 0, "all is done")
    assert set(runs.values()) == {1}
