"""The parallel consumer in the shape of confluentinc/parallel-consumer's README: sleeps instead of work, one partition.

The class and the settings are the services': every record has a key of its own, no order is asked for. The records are
published beforehand. The clock runs from the first handler's start to the last handler's end, so it covers fetching,
scheduling, retries and commits; that every record was handled once and was committed is checked at the end.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from support.stacks import running_stack
from support.topics import kafka_settings

from assay.contracts.topics import DEAD_LETTERS, Topic
from assay.inference.consumers import WINDOW
from assay.shared.consuming import Delivery, Handler, Ordering, ParallelConsumer
from assay.shared.kafka import Publisher, build_broker, connection, ensure_topics
from assay.shared.settings import KafkaSettings
from bench.rows import Aim, Row
from bench.workplace import Workplace

WORKERS = 16
FAILING = 100
"""One record of so many fails once."""
LONG_S = 600.0
LONG_BEHIND = 2
"""So many times the records of the other rows wait behind the long one."""
PATIENCE_S = 300.0


async def parallel_consumer(place: Workplace) -> list[Row]:
    """Sleeps of 10 to 50 ms: beside their sum over 16."""
    sleeps = _sleeps(place.scale.records, 0.010, 0.050)
    ideal = sum(sleeps) / WORKERS
    async with _kafka(place) as kafka:
        return await _both(place, kafka, "parallel_consumer", sleeps, ideal)


async def parallel_consumer_short(place: Workplace) -> list[Row]:
    """Sleeps of 0 to 5 ms: beside the same sleeps in a bare asyncio pool."""
    sleeps = _sleeps(place.scale.records, 0.0, 0.005)
    async with _kafka(place) as kafka:
        before = await _bare_pool(sleeps)
        rows = await _both(place, kafka, "parallel_consumer_short", sleeps, before)
        place.say(f"the bare pool again: {await _bare_pool(sleeps):.3f} s")
        return rows


async def long_record(place: Workplace) -> list[Row]:
    """One record of 10 minutes and 20,000 of 0 to 5 ms behind it: their rate beside that without it.

    Each side twice, one around the other, so that what else the machine does falls on both.
    """
    sleeps = _sleeps(place.scale.records * LONG_BEHIND, 0.0, 0.005)
    place.say(f"a record of {LONG_S:.0f} s and {len(sleeps)} of 0 to 5 ms behind it, window {WINDOW} as in inference")
    taken = {False: 0.0, True: 0.0}
    async with _kafka(place) as kafka:
        for long in (False, True, True, False):
            run = await _consume(kafka, sleeps, long=long, window=WINDOW)
            taken[long] += run.seconds
            place.say(f"{'behind it' if long else 'without it'}: {len(sleeps) / run.seconds:.0f} records/s")
    without, behind = (2 * len(sleeps) / taken[long] for long in (False, True))
    return [Row("long_record", behind, "records/s", len(sleeps), without, Aim("at least", 0.9))]


async def _both(
    place: Workplace, kafka: KafkaSettings, name: str, sleeps: Sequence[float], baseline: float
) -> list[Row]:
    place.say(f"{len(sleeps)} records, one partition, window {WORKERS}, sleeps of {sum(sleeps):.1f} s in all")
    aim = Aim("at most", 1.15)
    rows = []
    for suffix, fails in (("", False), ("_with_failures", True)):
        run = await _consume(kafka, sleeps, fails=fails)
        place.say(
            f"{name}{suffix}: {run.seconds:.3f} s beside {baseline:.3f} s; {run.retries} retries, "
            f"{run.cpu_s / len(sleeps) * 1e6:.0f} µs of CPU a record"
        )
        rows.append(Row(name + suffix, run.seconds, "s", len(sleeps), baseline, aim))
    return rows


@dataclass(frozen=True, slots=True)
class Run:
    """What it took to handle all records."""

    seconds: float
    cpu_s: float
    retries: int


async def _consume(
    kafka: KafkaSettings,
    sleeps: Sequence[float],
    *,
    fails: bool = False,
    long: bool = False,
    window: int = WORKERS,
) -> Run:
    """Publish one record for each sleep, then handle them."""
    topic, group = f"bench.{uuid4()}", f"bench-{uuid4()}"
    await ensure_topics(kafka, [Topic(topic, "of the benchmark", 1), DEAD_LETTERS])
    publisher = Publisher(kafka, source="/assay/bench")
    await publisher.start()
    if long:
        await publisher.send(topic, b"long", b"long", [])
    await _publish(publisher, topic, len(sleeps))
    work = _Work(sleeps, fails=fails)
    try:
        async with _member(kafka, publisher, topic, group, work.handle, window):
            async with asyncio.timeout(PATIENCE_S):
                await work.all_done.wait()
            work.release.set()
        await _check(kafka, work, topic, group, len(sleeps) + long)
    finally:
        await publisher.stop()
    return Run(work.ended - work.began, work.ended_cpu - work.began_cpu, work.retries)


class _Work:
    """The handler, and what it has seen."""

    def __init__(self, sleeps: Sequence[float], *, fails: bool) -> None:
        self._sleeps = sleeps
        self._fails = fails
        self.handled: Counter[int] = Counter()
        self.retries = 0
        self.began = self.ended = self.began_cpu = self.ended_cpu = 0.0
        self.all_done = asyncio.Event()
        self.release = asyncio.Event()

    async def handle(self, delivery: Delivery) -> None:
        if not self.began:
            self.began, self.began_cpu = time.perf_counter(), time.process_time()
        if delivery.value == b"long":
            async with asyncio.timeout(LONG_S):
                await self.release.wait()
            return
        number = int(delivery.value or b"")
        if self._fails and number % FAILING == FAILING // 2 and delivery.attempt == 1:
            self.retries += 1
            raise ValueError("this one fails once")
        await asyncio.sleep(self._sleeps[number])
        self.handled[number] += 1
        if len(self.handled) == len(self._sleeps):
            self.ended, self.ended_cpu = time.perf_counter(), time.process_time()
            self.all_done.set()


async def _check(kafka: KafkaSettings, work: _Work, topic: str, group: str, records: int) -> None:
    twice = sum(count > 1 for count in work.handled.values())
    admin = AIOKafkaAdminClient(**connection(kafka))
    await admin.start()
    try:
        stored = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    committed = sum(each.offset for partition, each in stored.items() if partition.topic == topic)
    if twice or committed != records:
        raise AssertionError(f"{twice} records were handled twice, {committed} of {records} are committed")


@asynccontextmanager
async def _member(
    kafka: KafkaSettings, publisher: Publisher, topic: str, group: str, handler: Handler, window: int
) -> AsyncIterator[None]:
    broker = build_broker(kafka, client_id="bench")
    consumer = ParallelConsumer(
        broker,
        topics=(topic,),
        group=group,
        handler=handler,
        publisher=publisher,
        window=window,
        ordering=Ordering.NONE,
    )
    await consumer.start()
    await broker.start()
    try:
        yield
    finally:
        await consumer.stop()
        await broker.stop()


async def _publish(publisher: Publisher, topic: str, count: int) -> None:
    for start in range(0, count, 1000):
        numbers = range(start, min(count, start + 1000))
        sent = [await publisher.enqueue(topic, b"key-%d" % number, b"%d" % number, []) for number in numbers]
        await asyncio.gather(*sent)


async def _bare_pool(sleeps: Sequence[float]) -> float:
    """Seconds that 16 workers take which share a list, without anything else."""
    waiting = list(reversed(sleeps))

    async def worker() -> None:
        while waiting:  # noqa: ASYNC110  # it is the work
            await asyncio.sleep(waiting.pop())

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(WORKERS)))
    return time.perf_counter() - began


def _sleeps(count: int, shortest: float, longest: float) -> list[float]:
    order = random.Random(count)
    return [order.uniform(shortest, longest) for _ in range(count)]


@asynccontextmanager
async def _kafka(place: Workplace) -> AsyncIterator[KafkaSettings]:
    # As the services are set up: what they do not log is not formatted.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    stack = running_stack(place.new_folder("stack"))
    running = await asyncio.to_thread(stack.__enter__)
    try:
        yield kafka_settings(running.environment())
    finally:
        await asyncio.to_thread(stack.__exit__, None, None, None)
