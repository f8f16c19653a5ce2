"""The rows of the whole product, taken from outside: what it adds to an analyzer's own time, and under a backfill."""

import asyncio
import os
import shlex
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from aiokafka import AIOKafkaConsumer, TopicPartition
from support.product import Product
from support.topics import kafka_settings

from assay.contracts import FileUploaded, RunRequested
from assay.contracts.topics import FILES_BULK, VERDICTS
from assay.embedded.tokens import OWNER
from assay.shared.clock import now
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher, connection
from assay.shared.objects import ObjectStore
from assay.shared.settings import S3Settings
from bench.analyzers import SLEEP_S
from bench.lean_client import LeanClient
from bench.pictures import Picture
from bench.rows import Aim, Row
from bench.workplace import Workplace

PLAN = ("bench-quick", "bench-sleep")
WARM = 10
OWNERS = [OWNER, *(f"bench-{number}" for number in range(19))]
BETWEEN_S = 0.05
"""Lone uploads are no load: so long a pause lies between two of them."""
FEWEST = 50
READY_S = 60.0
QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
OVERHEAD = tuple(f"overhead_{name}_ms" for name in QUANTILES)


async def overhead(place: Workplace) -> list[Row]:
    """From the 202 to the report at the client, minus the analyzer's 50 ms; one upload after the other."""
    async with _running(place) as (_, client):
        used = time.process_time()
        took = await _uploads(place, client, place.scale.uploads)
        used = (time.process_time() - used) / len(took)
    place.say(f"plan {', '.join(PLAN)}; the client itself takes {used * 1000:.2f} ms of CPU a file, its form included")
    rows = []
    for name, at in QUANTILES.items():
        value = (_quantile(took, at) - SLEEP_S) * 1000
        rows.append(
            Row(f"overhead_{name}_ms", value, "ms", len(took), aim=Aim("at most", 25) if name == "p50" else None)
        )
    return rows


async def interactive_under_backfill(place: Workplace) -> list[Row]:
    """p95 of the same time for lone uploads while a backfill goes on in the bulk lane, over that at idle."""
    async with _running(place) as (product, client):
        idle = await _uploads(place, client, place.scale.interactive)
        backfill = await Backfill.begun(product, place.pictures[:500], place.scale.backfill)
        try:
            busy: list[float] = []
            before = await backfill.done()
            began = time.monotonic()
            # Ends before the backfill does: whatever is counted was uploaded while there was work in the bulk lane.
            while len(busy) < place.scale.interactive and before + len(busy) < backfill.size - 2 * FEWEST:
                busy += await _uploads(place, client, 1, first=len(busy))
                before = await backfill.done() - len(busy)
            rate = before / (time.monotonic() - began)
        finally:
            await backfill.stop()
    for name, took in (("idle", idle), ("during the backfill", busy)):
        place.say(f"{name}: p50 {_quantile(took, 0.5) * 1000:.1f} ms, p95 {_quantile(took, 0.95) * 1000:.1f} ms")
    place.say(f"{before} of {backfill.size} files of the backfill were done by then, {rate:.0f} reports/s")
    few = len(busy) < min(FEWEST, place.scale.interactive)
    note = f"the backfill was over after {len(busy)} uploads, the longest of {max(busy):.1f} s" if few else ""
    value, baseline = (_quantile(took, 0.95) * 1000 for took in (busy, idle))
    return [
        Row("interactive_under_backfill", value, "ms", len(busy), baseline=baseline, aim=Aim("at most", 2), note=note)
    ]


@asynccontextmanager
async def _running(place: Workplace) -> AsyncIterator[tuple[Product, LeanClient]]:
    """The product with the two analyzers, ready and warm, and a client with open connections."""
    product = Product(
        place.new_folder("product"),
        ASSAY_ANALYZERS=",".join(PLAN),
        PYTHONPATH=place.python_path,
        ASSAY_LOG__FORMAT="json",
    )
    await asyncio.to_thread(product.start)
    try:
        client = LeanClient(product.url, product.token)
        await client.open()
        try:
            await _uploads(place, client, WARM, first=-WARM)
            yield product, client
        finally:
            await client.close()
    finally:
        await asyncio.to_thread(product.stop)


async def _uploads(place: Workplace, client: LeanClient, count: int, first: int = 0) -> list[float]:
    """Seconds of each. Every file is one that nobody has uploaded before: a picture and some bytes behind it."""
    took = []
    for number in range(first, first + count):
        picture = place.pictures[number % len(place.pictures)]
        content = picture.path.read_bytes() + os.urandom(16)
        took.append(await client.upload(content))
        await asyncio.sleep(BETWEEN_S)
    return took


class Backfill:
    """Runs in the bulk lane, as upload requests them; counted by the reports that come of them.

    Some hundred pictures lie in S3, each a file of twenty owners: for Assay they are as many files, since no owner
    shares anything with another. One of the owners is the one who uploads.
    """

    def __init__(self, consumer: AIOKafkaConsumer, size: int) -> None:
        self._consumer = consumer
        self._partitions = [TopicPartition(VERDICTS.name, number) for number in range(VERDICTS.partitions)]
        self._before = 0
        self.size = size

    @classmethod
    async def begun(cls, product: Product, pictures: Sequence[Picture], size: int) -> "Backfill":
        """Store the pictures, publish all runs, wait until the first reports come."""
        printed = (await asyncio.to_thread(product.command, "env")).stdout
        lines = dict(word.split("=", 1) for word in shlex.split(printed))
        kafka = kafka_settings(lines)
        consumer = AIOKafkaConsumer(**connection(kafka), enable_auto_commit=False)
        await consumer.start()
        backfill = cls(consumer, size)
        try:
            backfill._before = await backfill.done()
            keys = await _store(lines, pictures)
            publisher = Publisher(kafka, source="/assay/upload")
            await publisher.start()
            try:
                for start in range(0, size, 500):
                    events = [_events(pictures, keys, number) for number in range(start, min(size, start + 500))]
                    await asyncio.gather(*(_publish(publisher, pair) for pair in events))
            finally:
                await publisher.stop()
            async with asyncio.timeout(READY_S):
                while await backfill.done() == 0:  # noqa: ASYNC110 - another process makes them
                    await asyncio.sleep(0.1)
        except BaseException:
            await backfill.stop()
            raise
        return backfill

    async def done(self) -> int:
        """Reports since the backfill began, those of others included."""
        ends = await self._consumer.end_offsets(self._partitions)
        return sum(int(end) for end in ends.values()) - self._before

    async def stop(self) -> None:
        await self._consumer.stop()


async def _publish(publisher: Publisher, events: tuple[FileUploaded, RunRequested]) -> None:
    for event in events:
        await publisher.publish(event, topics=[FILES_BULK.name])


async def _store(lines: dict[str, str], pictures: Sequence[Picture]) -> list[str]:
    prefix = "ASSAY_S3__"
    values = {name.removeprefix(prefix).lower(): text for name, text in lines.items() if name.startswith(prefix)}
    store = ObjectStore(S3Settings.model_validate(values))
    keys = [f"files/{new_id()}/content" for _ in pictures]
    for start in range(0, len(keys), 16):
        pairs = list(zip(keys, pictures, strict=True))[start : start + 16]
        await asyncio.gather(
            *(store.put(key, picture.path.read_bytes(), media_type="image/jpeg") for key, picture in pairs)
        )
    store.close()
    return keys


def _events(pictures: Sequence[Picture], keys: Sequence[str], number: int) -> tuple[FileUploaded, RunRequested]:
    at = number % len(pictures)
    about = {
        "occurred_at": now(),
        "file_id": new_id(),
        "owner_id": OWNERS[number // len(pictures) % len(OWNERS)],
        "media_type": "image/jpeg",
        "size": pictures[at].size,
        "sha256": pictures[at].sha256,
        "object_key": keys[at],
    }
    uploaded = FileUploaded(**about, filename=f"backfill-{number}.jpg")
    requested = RunRequested(**about, run_id=new_id(), run_number=1, plan=PLAN, deadline=now() + timedelta(hours=1))
    return uploaded, requested


def _quantile(seconds: Sequence[float], at: float) -> float:
    if len(seconds) == 1:
        return seconds[0]
    return statistics.quantiles(seconds, n=1000, method="inclusive")[round(at * 1000) - 1]
