"""Records of one partition handled together, on a real broker."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from support.consuming import Bench, eventually, text_of
from support.topics import reading

from assay.contracts.cloudevents import header
from assay.contracts.dead_letters import ATTEMPTS_HEADER, GROUP_HEADER, REDRIVE_GROUP_HEADER
from assay.contracts.topics import DEAD_LETTERS
from assay.shared import tracing
from assay.shared.consuming import Delivery, Lane, Ordering, PermanentError, TransientError

pytestmark = pytest.mark.usefixtures("short_backoff")

UPLOADED = ("ce_type", b"assay.file.uploaded.v1")


class Seen:
    """A handler of batches that remembers them; `gate` holds it up while it is not set."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def handle(self, batch: Sequence[Delivery]) -> None:
        assert len({(each.topic, each.partition) for each in batch}) == 1
        self.batches.append([text_of(each) for each in batch])
        await self.gate.wait()

    @property
    def records(self) -> list[str]:
        return [each for batch in self.batches for each in batch]


def together(seen: Seen, **options: object) -> dict[str, object]:
    return {"batch_handler": seen.handle, "ordering": Ordering.PARTITION, **options}


async def test_one_record_is_handed_over_at_once_and_what_comes_meanwhile_together(bench: Bench) -> None:
    seen = Seen()
    async with bench.member(**together(seen, max_batch=5)) as member:
        await member.assigned.wait()
        await bench.send("lone")
        await eventually(lambda: seen.batches == [["lone"]], "a lone record does not wait")
        seen.gate.clear()
        await bench.send("first")
        await eventually(lambda: len(seen.batches) == 2, "the handler is held up")
        await bench.send(*"abcdefg")
        await asyncio.sleep(0.3)
        await member.commit()
        assert await bench.committed() == {0: 1}, "an offset is not finished before its batch"
        seen.gate.set()
        await eventually(lambda: len(seen.records) == 9, "all are done")
    assert seen.batches == [["lone"], ["first"], list("abcde"), list("fg")]
    assert await bench.committed() == {0: 9}


async def test_partitions_are_handled_beside_each_other_each_in_its_order(wide_bench: Bench) -> None:
    seen: dict[int, list[int]] = {}
    running: Counter[int] = Counter()
    beside = False

    async def handler(batch: Sequence[Delivery]) -> None:
        nonlocal beside
        partition = batch[0].partition
        running[partition] += 1
        assert running[partition] == 1
        beside |= running.total() > 1
        await asyncio.sleep(0.001)
        seen.setdefault(partition, []).extend(each.offset for each in batch)
        running[partition] -= 1

    await wide_bench.send_many(1000)
    async with wide_bench.member(batch_handler=handler, ordering=Ordering.PARTITION, max_batch=7):
        await eventually(lambda: sum(map(len, seen.values())) == 1000, "all are done")
    assert all(offsets == list(range(len(offsets))) for offsets in seen.values())
    assert beside


async def test_a_lane_may_combine_partitions_and_each_keeps_its_order(wide_bench: Bench) -> None:
    seen: dict[int, list[int]] = {}
    sizes: list[int] = []
    together: list[int] = []

    async def handler(batch: Sequence[Delivery]) -> None:
        sizes.append(len(batch))
        together.append(len({each.partition for each in batch}))
        if len(batch) > 1 and any(text_of(each) == "bad" for each in batch):
            raise PermanentError("no use")
        await asyncio.sleep(0.001)
        for each in batch:
            seen.setdefault(each.partition, []).append(each.offset)

    await wide_bench.send_many(600)
    await wide_bench.send("bad")
    await wide_bench.send_many(600)
    lanes = {wide_bench.topic: Lane(combines=True)}
    options = {"ordering": Ordering.PARTITION, "max_batch": 150, "lanes": lanes, "window": 2}
    async with wide_bench.member(batch_handler=handler, **options) as member:
        await eventually(lambda: sum(map(len, seen.values())) == 1201, "all are done, the bad one by itself")
        await member.commit()
        assert sum((await wide_bench.committed()).values()) == 1201
    assert all(offsets == list(range(len(offsets))) for offsets in seen.values())
    assert max(sizes) <= 150
    assert max(together) > 1


async def test_a_batch_fails_and_is_tried_again_as_a_whole(bench: Bench) -> None:
    attempts: list[list[tuple[str, int]]] = []
    outages = 8  # more than a record's attempts: an outage is no fault of theirs

    async def handler(batch: Sequence[Delivery]) -> None:
        attempts.append([(text_of(each), each.attempt) for each in batch])
        if len(batch) > 1 and len(attempts) <= outages:
            raise TransientError("away")

    await bench.send("0", "1", "2")
    async with bench.member(batch_handler=handler, ordering=Ordering.PARTITION, max_attempts=3):
        await eventually(lambda: len(attempts) > outages, "the outage is over")
    tried = [[name for name, _ in each] for each in attempts]
    assert all(each == ["0", "1", "2"] for each in tried)
    assert [each[0][1] for each in attempts] == list(range(1, outages + 2))
    assert await bench.committed() == {0: 3}


@pytest.mark.parametrize("is_permanent", [True, False])
async def test_only_the_bad_record_of_a_batch_becomes_a_dead_letter(bench: Bench, is_permanent: bool) -> None:
    written: list[str] = []
    sizes: list[int] = []

    async def handler(batch: Sequence[Delivery]) -> None:
        sizes.append(len(batch))
        said = []
        for each in batch:
            if text_of(each) == "bad":
                raise PermanentError("no use") if is_permanent else ValueError("odd")
            each.event()
            said.append(text_of(each))
        written.extend(said)

    async with reading(bench.environment, DEAD_LETTERS.name) as letters:
        await bench.send("0", "1", "bad", "3")
        await bench.send("{not json", headers=[UPLOADED])
        await bench.send("5", "6")
        async with bench.member(batch_handler=handler, ordering=Ordering.PARTITION, max_attempts=3):
            await eventually(lambda: written[-1:] == ["6"], "all are done")
            found = await letters.wait_until(
                lambda records: sum(header(r.headers, GROUP_HEADER) == bench.group for r in records) >= 2
            )
            await bench.send("7", "8")
            await eventually(lambda: written[-1:] == ["8"], "later ones, too")
    assert written == ["0", "1", "3", "5", "6", "7", "8"]
    mine = [each for each in found if header(each.headers, GROUP_HEADER) == bench.group]
    assert [each.value for each in mine] == [b"bad", b"{not json"]
    # Tried with the others and then alone: it had what each record has, and no more than twice that.
    assert int(header(mine[0].headers, ATTEMPTS_HEADER) or 0) == (2 if is_permanent else 6)
    assert sizes[0] == 7
    assert await bench.committed() == {0: 9}


async def test_what_is_for_another_group_is_left_out(bench: Bench) -> None:
    seen = Seen()
    await bench.send("0")
    await bench.send("theirs", headers=[(REDRIVE_GROUP_HEADER, b"another")])
    await bench.send("mine", headers=[(REDRIVE_GROUP_HEADER, bench.group.encode())])
    async with bench.member(**together(seen)):
        await eventually(lambda: "mine" in seen.records, "all are done")
    assert seen.records == ["0", "mine"]
    assert await bench.committed() == {0: 3}


@pytest.mark.parametrize("is_recording", [True, False])
async def test_each_record_of_a_batch_has_its_own_trace(
    bench: Bench, is_recording: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "is_recording", lambda: is_recording)
    traces = [f"{number:032x}" for number in range(1, 5)]
    sizes: list[int] = []
    seen: list[str | None] = []

    async def handler(batch: Sequence[Delivery]) -> None:
        sizes.append(len(batch))
        for each in batch:
            with each.in_trace():
                seen.append(tracing.current_trace_id())
                assert tracing.carrier()["traceparent"].startswith(f"00-{seen[-1]}-")

    for trace in traces:
        await bench.send("x", headers=[("traceparent", f"00-{trace}-00f067aa0ba902b7-01".encode())])
    async with bench.member(batch_handler=handler, ordering=Ordering.PARTITION, max_batch=3):
        await eventually(lambda: len(seen) == 4, "all are done")
    assert (sizes, seen) == ([3, 1], traces)


async def test_a_batch_that_is_not_done_is_delivered_again(bench: Bench) -> None:
    seen = Seen()
    seen.gate.clear()
    await bench.send("0", "1", "2")
    async with bench.member(**together(seen)) as member:
        await eventually(lambda: seen.records == ["0", "1", "2"], "the batch is in work")
        await member.stop(timeout_s=0.1)
    assert await bench.committed_sum() == 0
    again = Seen()
    async with bench.member(**together(again)):
        await eventually(lambda: sorted(again.records) == ["0", "1", "2"], "it is delivered again")


async def test_batches_need_the_order_of_a_partition(bench: Bench) -> None:
    with pytest.raises(ValueError, match="PARTITION"):
        async with bench.member(batch_handler=Seen().handle):
            raise AssertionError("it must not start")
