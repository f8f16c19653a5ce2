"""After a process died: what was done is not done again, who killed it is found, and the innocent go on."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata
from support.consuming import Bench, eventually, text_of
from support.topics import reading

from assay.contracts.cloudevents import header
from assay.contracts.dead_letters import ATTEMPTS_HEADER, ERROR_HEADER, GROUP_HEADER
from assay.contracts.topics import DEAD_LETTERS, Topic
from assay.shared.commit_metadata import Note, decode, encode
from assay.shared.consuming import Delivery, Isolation, Ordering, WorkerCrashedError
from assay.shared.kafka import connection, ensure_topics

TESTS = Path(__file__).parents[1]


class Driver:
    """Processes that are members of a bench's group, one at a time."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self._bench = bench
        self.log = folder / "driver.log"
        self.hold = self.log.with_suffix(".hold")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.subprocess.Process]:
        path = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(TESTS / "shared" / "consumer_driver.py"),
            self._bench.topic,
            self._bench.group,
            str(self.log),
            env={**os.environ, **self._bench.environment, "PYTHONPATH": path},
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def lines(self) -> list[list[str]]:
        """Each: process, what, which record, attempt, and how many run or which error."""
        return [line.split() for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def told(self, what: str) -> list[list[str]]:
        return [line for line in self.lines() if line[1] == what]

    def names(self, what: str) -> Counter[str]:
        return Counter(line[2] for line in self.told(what))


async def note_of(bench: Bench) -> Note | None:
    stored = (await bench.commits()).get(TopicPartition(bench.topic, 0))
    return decode(stored.metadata, stored.offset) if stored is not None else None


async def leave_behind(bench: Bench, position: int, note: Note) -> None:
    """Commit as a process that died."""
    consumer = AIOKafkaConsumer(**connection(bench.settings), group_id=bench.group, enable_auto_commit=False)
    await consumer.start()
    try:
        partition = TopicPartition(bench.topic, 0)
        consumer.assign([partition])
        text, fits = encode(note, position)
        assert fits
        await consumer.commit({partition: OffsetAndMetadata(position, text)})
    finally:
        await consumer.stop()


@pytest.mark.parametrize("milliseconds", [0, 150])
async def test_a_record_that_kills_its_process_is_given_up_and_the_innocent_go_on(
    bench: Bench, tmp_path: Path, milliseconds: int
) -> None:
    """Dead at once, before any commit could name it; or after a while, beside others."""
    driver = Driver(bench, tmp_path)
    innocent = {f"work-{number}" for number in range(30)}
    for number in range(30):
        if number == 5:
            await bench.send(f"die-0:{milliseconds}")
        await bench.send(f"work-{number}:20")
    async with reading(bench.environment, DEAD_LETTERS.name) as letters:
        deaths = 0
        while deaths < 8:
            async with driver.running() as process:
                finished = asyncio.create_task(
                    eventually(lambda: driver.told("gave_up") and innocent <= set(driver.names("end")), "all is done")
                )
                died = asyncio.create_task(process.wait())
                await asyncio.wait([finished, died], return_when=asyncio.FIRST_COMPLETED)
                if finished.done():
                    await finished
                    process.terminate()
                    assert await died == 0
                    break
                finished.cancel()
                assert await died == 9
                deaths += 1
        found = await letters.wait_until(
            lambda records: any(header(each.headers, GROUP_HEADER) == bench.group for each in records)
        )
    mine = [each for each in found if header(each.headers, GROUP_HEADER) == bench.group]
    assert [each.value for each in mine] == [f"die-0:{milliseconds}".encode()]
    assert header(mine[0].headers, ATTEMPTS_HEADER) == "3"
    assert (header(mine[0].headers, ERROR_HEADER) or "").startswith("WorkerCrashedError: ")
    assert [line[2:] for line in driver.told("gave_up")] == [["die-0", "3", "WorkerCrashedError"]]
    # Once among others, at most once more while it was not known who it was, then three times alone.
    assert 4 <= deaths <= 5
    alone = driver.told("dies")[-3:]
    assert [line[3:] for line in alone] == [["1", "1"], ["2", "1"], ["3", "1"]]
    for process, *_ in alone:
        mine_too = [line for line in driver.lines() if line[0] == process]
        started = mine_too.index(next(line for line in mine_too if line[1:3] == ["start", "die-0"]))
        assert {line[1] for line in mine_too[started + 1 :]} == {"dies"}
    # Again only what ended within the commit interval before a death.
    assert max(driver.names("end").values()) <= 2
    assert max(driver.names("start")[each] for each in innocent) <= 3
    assert await bench.committed_sum() == 31


async def test_what_was_finished_above_an_open_record_is_not_run_again(bench: Bench, tmp_path: Path) -> None:
    driver = Driver(bench, tmp_path)
    driver.hold.touch()
    await bench.send("hold-0:0")
    await bench.send(*(f"work-{number}:1" for number in range(100)))
    async with driver.running() as process:
        await eventually(lambda: len(driver.told("end")) == 100, "the quick ones are done")
        async with asyncio.timeout(10):
            while not (note := await note_of(bench)) or note.finished != ((1, 101),):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert (note.started, note.is_clean) == ((0,), False)
        process.kill()
        await process.wait()
    driver.hold.unlink()
    await bench.send("work-100:1")
    async with driver.running() as process:
        await eventually(lambda: len(driver.told("end")) == 102, "the rest is done")
        process.terminate()
        assert await process.wait() == 0
    assert driver.names("start") == Counter({"hold-0": 2} | {f"work-{number}": 1 for number in range(101)})
    assert await bench.committed_sum() == 102


async def test_a_clean_end_blames_nobody(bench: Bench, tmp_path: Path) -> None:
    """A handler that is cut off by the drain's limit did not kill anything."""
    driver = Driver(bench, tmp_path)
    driver.hold.touch()
    await bench.send("work-0:1", "hold-0:0", "work-1:1")
    async with driver.running() as process:
        await eventually(lambda: len(driver.told("end")) == 2, "the quick ones are done")
        process.terminate()
        assert await process.wait() == 0
    note = await note_of(bench)
    assert note is not None
    assert (note.is_clean, note.started, note.suspects, note.alone) == (True, (), {}, None)
    assert note.finished == ((2, 3),)
    assert await bench.committed_sum() == 1


async def test_suspects_run_one_at_a_time_and_alone_in_the_whole_process(bench: Bench) -> None:
    """Two consumers share a process; one of them takes over from a process that died."""
    other = Bench(bench.environment, bench.publisher)
    await ensure_topics(bench.settings, [Topic(other.topic, "of a test", 1)])
    isolation = Isolation()
    running: set[str] = set()
    beside: dict[str, set[str]] = {}
    noted: dict[str, int | None] = {}

    async def handler(delivery: Delivery) -> None:
        name = f"{'other' if delivery.topic == other.topic else 'suspect'} {delivery.offset}"
        running.add(name)
        for each in running:
            beside[each] = beside.get(each, set()) | running - {each}
        if delivery.topic == bench.topic and delivery.offset in (2, 5, 9):
            note = await note_of(bench)
            noted[name] = note.alone if note else None
        await asyncio.sleep(0.02)
        running.discard(name)

    await bench.send(*(str(number) for number in range(12)))
    await other.send(*(str(number) for number in range(200)))
    # Offset 5 was alone in the last crash already; so it comes last.
    await leave_behind(bench, 2, Note(author=7, next=12, alone=5, started=(2, 9), finished=((3, 5), (6, 9))))
    async with other.member(handler, isolation=isolation, window=4, ordering=Ordering.NONE):
        await eventually(lambda: "other 1" in beside, "the other consumer is busy")
        async with bench.member(handler, isolation=isolation, ordering=Ordering.NONE):
            await eventually(lambda: {"suspect 2", "suspect 9", "suspect 5"} <= set(beside), "the suspects ran")
            await eventually(lambda: {"suspect 10", "suspect 11"} <= set(beside), "and the others")
        await eventually(lambda: "other 199" in beside, "the other consumer goes on")
    assert [beside[f"suspect {offset}"] for offset in (2, 5, 9)] == [set(), set(), set()]
    assert noted == {"suspect 2": 2, "suspect 9": 9, "suspect 5": 5}
    assert list(noted) == ["suspect 2", "suspect 9", "suspect 5"]
    assert any(beside[f"other {number}"] for number in range(200))
    assert {each for each in beside if each.startswith("suspect")} == {f"suspect {n}" for n in (2, 5, 9, 10, 11)}
    assert await bench.committed_sum() == 12


async def test_three_crashes_alone_are_enough_and_are_remembered_over_clean_ends(bench: Bench) -> None:
    handled: list[tuple[str, int]] = []
    given_up: list[tuple[str, int, type]] = []

    async def handler(delivery: Delivery) -> None:
        handled.append((text_of(delivery), delivery.attempt))

    async def gave_up(delivery: Delivery, error: BaseException) -> None:
        given_up.append((text_of(delivery), delivery.attempt, type(error)))

    await bench.send("0", "1", "2")
    await leave_behind(bench, 0, Note(author=7, next=3, is_clean=True, suspects={0: 2, 1: 3}))
    async with bench.member(handler, gave_up=gave_up, ordering=Ordering.NONE):
        await eventually(lambda: len(handled) + len(given_up) == 3, "all are done")
    assert sorted(handled) == [("0", 3), ("2", 1)]
    assert given_up == [("1", 3, WorkerCrashedError)]
    note = await note_of(bench)
    assert note is not None
    assert note.suspects == {}
    assert await bench.committed_sum() == 3


async def test_commits_of_others_and_of_older_versions_count_as_clean(bench: Bench) -> None:
    beside = 0
    done: list[str] = []

    async def handler(delivery: Delivery) -> None:
        nonlocal beside
        beside += 1
        assert beside <= 2
        done.append(text_of(delivery))
        await eventually(lambda: len(done) == 2, "both run together")

    await bench.send("0", "1", "2")
    consumer = AIOKafkaConsumer(**connection(bench.settings), group_id=bench.group, enable_auto_commit=False)
    await consumer.start()
    partition = TopicPartition(bench.topic, 0)
    consumer.assign([partition])
    await consumer.commit({partition: OffsetAndMetadata(1, "by hand")})
    await consumer.stop()
    async with bench.member(handler, ordering=Ordering.NONE):
        await eventually(lambda: len(done) == 2, "both are done")
    assert sorted(done) == ["1", "2"]


async def test_a_suspect_that_fails_stays_suspect_until_it_is_done(bench: Bench) -> None:
    attempts: list[int] = []
    notes: list[Note | None] = []

    async def handler(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        notes.append(await note_of(bench))
        if len(attempts) < 3:
            raise ValueError("not yet")

    await bench.send("0")
    await leave_behind(bench, 0, Note(author=7, next=1, started=(0,), suspects={0: 1}))
    async with bench.member(handler):
        await eventually(lambda: len(attempts) == 3, "the third attempt")
    assert attempts == [2, 3, 4]  # the crash counts as one
    assert [note.alone for note in notes if note] == [0, 0, 0]
    assert [note.suspects for note in notes if note] == [{0: 1}] * 3
