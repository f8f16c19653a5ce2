"""Our side of a comparison: one inference worker as deployed, fed through Kafka and S3 and watched through Kafka."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid5

from aiokafka import AIOKafkaConsumer, TopicPartition
from support.services import ServiceProcess
from support.stacks import RunningParts, running_stack

from assay.contracts import AnalysisCompleted, AnalysisFailed, AnalysisStarted, AnalyzerRegistered, RunRequested
from assay.contracts.cloudevents import header
from assay.contracts.topics import ALL, ANALYSES, ANALYZERS, FILES
from assay.shared.clock import now
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher, connection, ensure_topics
from assay.shared.objects import ObjectStore
from assay.shared.settings import KafkaSettings, S3Settings
from bench.job import Storage
from bench.pictures import Picture
from bench.scale import DEPLOYED, Setting
from bench.workplace import Workplace

PATIENCE_S = 600.0
ENDS = (AnalysisCompleted.type, AnalysisFailed.type)


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture in S3."""

    picture: Picture
    key: str


@dataclass(frozen=True, slots=True)
class Drained:
    """What it took to work off a backlog."""

    files: int
    failed: int
    seconds: float
    codes: tuple[str, ...] = ()
    """Why files failed."""

    @property
    def rate(self) -> float:
        """Files with a verdict per second."""
        return (self.files - self.failed) / self.seconds

    def __str__(self) -> str:
        failures = f", {self.failed} FAILED: {', '.join(self.codes)}" if self.failed else ""
        return f"{self.rate:.1f} files/s{failures}"


class Parts:
    """Kafka and S3 with nothing of Assay running, and the ways to them."""

    def __init__(self, stack: RunningParts) -> None:
        self.lines = stack.environment("inference")
        self.kafka = KafkaSettings.model_validate(_block(self.lines, "ASSAY_KAFKA__"))
        self.s3 = S3Settings.model_validate(_block(self.lines, "ASSAY_S3__"))
        self.storage_lines = Storage.of_service(self.lines).environment()
        """For those that are compared with."""
        self.publisher = Publisher(self.kafka, source="/assay/upload")
        self.store = ObjectStore(self.s3)

    async def put(self, pictures: Sequence[Picture]) -> list[Stored]:
        """Store the pictures, each under a file's key."""
        stored = [Stored(picture, f"files/{new_id()}/content") for picture in pictures]
        for start in range(0, len(stored), 16):
            await asyncio.gather(*(self._put(each) for each in stored[start : start + 16]))
        return stored

    async def _put(self, stored: Stored) -> None:
        await self.store.put(stored.key, stored.picture.path.read_bytes(), media_type="image/jpeg")


@asynccontextmanager
async def running_parts(place: Workplace) -> AsyncIterator[Parts]:
    """Start Kafka, S3 and PostgreSQL, which nobody uses here. Results and notify do not run."""
    stack = running_stack(place.new_folder("stack"))
    parts = Parts(await asyncio.to_thread(stack.__enter__))
    try:
        await ensure_topics(parts.kafka, ALL)
        await parts.store.ensure_bucket()
        await parts.publisher.start()
        try:
            yield parts
        finally:
            await parts.publisher.stop()
            parts.store.close()
    finally:
        await asyncio.to_thread(stack.__exit__, None, None, None)


def requests(stored: Sequence[Stored], analyzer: str, owner: str) -> list[RunRequested]:
    """A run for each picture, of an owner who has no verdicts yet: nothing can be reused."""
    deadline = now() + timedelta(hours=1)
    return [
        RunRequested(
            occurred_at=now(),
            file_id=new_id(),
            owner_id=owner,
            run_id=new_id(),
            run_number=1,
            plan=(analyzer,),
            deadline=deadline,
            media_type="image/jpeg",
            size=each.picture.size,
            sha256=each.picture.sha256,
            object_key=each.key,
        )
        for each in stored
    ]


def worker(place: Workplace, parts: Parts, analyzer: str, setting: Setting) -> ServiceProcess:
    """A worker that is not started. Its cache is empty."""
    lines = {
        **parts.lines,
        "PYTHONPATH": place.python_path,
        "ASSAY_ANALYZERS": analyzer,
        "ASSAY_CACHE__PATH": str(place.new_folder("cache")),
        "ASSAY_LOG__FORMAT": "json",
    }
    if setting != DEPLOYED:
        lines |= {
            "ASSAY_ENGINE__BATCH_MAX_ITEMS": str(setting.batch),
            "ASSAY_SANDBOX__PROCESSES": str(setting.processes),
            "ASSAY_ENGINE__TORCH_THREADS": str(setting.threads),
        }
    return ServiceProcess("inference", lines, place.new_folder("worker") / "worker.log")


async def drain(place: Workplace, parts: Parts, stored: Sequence[Stored], analyzer: str, setting: Setting) -> Drained:
    """Publish a backlog, start a worker, and see how long it takes.

    The clock is that of the records in Kafka. It starts with the first `started` of the backlog, or with the
    registration of the analyzer if that is earlier; it stops with the last terminal event. All files count, the ones
    with which the pipeline fills and empties too. The model is loaded and its sandbox made before the first record is
    taken; downloads from S3, decoding, the network and every event are inside.
    """
    backlog = requests(stored, analyzer, f"bench-{new_id()}")
    await asyncio.gather(*(parts.publisher.publish(each, topics=[FILES.name]) for each in backlog))
    process = worker(place, parts, analyzer, setting)
    async with _watching(parts.kafka, ANALYSES.name, ANALYZERS.name) as watcher:
        await asyncio.to_thread(process.start, wait=False)
        try:
            return await _clocked(watcher, backlog, process)
        finally:
            await asyncio.to_thread(process.stop)


async def _clocked(watcher: "Watcher", backlog: Sequence[RunRequested], process: ServiceProcess) -> Drained:
    awaited = {str(_terminal_id(each)).encode() for each in backlog}
    subjects = {each.key.encode() for each in backlog}
    first, last, failed = float("inf"), 0.0, 0
    codes: set[str] = set()
    until = time.monotonic() + PATIENCE_S
    while awaited:
        if time.monotonic() > until:
            raise TimeoutError(f"{len(awaited)} of {len(backlog)} files have no end; {_end_of(process)}")
        if not process.is_running:
            raise RuntimeError(f"the worker died; {_end_of(process)}")
        for record in await watcher.records():
            headers = dict(record.headers)
            kind = headers.get("ce_type", b"").decode()
            if kind in ENDS and headers["ce_id"] in awaited:
                awaited.discard(headers["ce_id"])
                if kind == AnalysisFailed.type:
                    failed += 1
                    codes.add(AnalysisFailed.model_validate_json(record.value).code)
                last = max(last, record.timestamp / 1000)
            elif kind == AnalyzerRegistered.type or (kind == AnalysisStarted.type and record.key in subjects):
                first = min(first, record.timestamp / 1000)
    return Drained(len(backlog), failed, last - first, tuple(sorted(codes)))


class LoneFiles:
    """A submitter that has one file judged after the other: requests a run, waits for the verdict in Kafka."""

    def __init__(self, parts: Parts, consumer: AIOKafkaConsumer, analyzer: str) -> None:
        self._parts = parts
        self._consumer = consumer
        self._analyzer = analyzer

    async def judge(self, stored: Stored) -> float:
        """Seconds from the request to the verdict in hand, parsed. Raises RuntimeError where it failed."""
        [request] = requests([stored], self._analyzer, f"bench-{new_id()}")
        began = time.perf_counter()
        await self._parts.publisher.publish(request, topics=[FILES.name])
        async with asyncio.timeout(PATIENCE_S):
            while True:
                record = await self._consumer.getone()
                kind = header(record.headers, "ce_type")
                if record.key == request.key.encode() and kind in ENDS:
                    if kind == AnalysisFailed.type:
                        raise RuntimeError(f"an analysis failed: {record.value!r}")
                    AnalysisCompleted.model_validate_json(record.value)
                    return time.perf_counter() - began


@asynccontextmanager
async def lone_files(place: Workplace, parts: Parts, analyzer: str, setting: Setting) -> AsyncIterator[LoneFiles]:
    """A worker that is ready, and a submitter beside it."""
    process = worker(place, parts, analyzer, setting)
    await asyncio.to_thread(process.start)
    try:
        consumer = await _at_end(parts.kafka, ANALYSES.name)
        try:
            yield LoneFiles(parts, consumer, analyzer)
        finally:
            await consumer.stop()
    finally:
        await asyncio.to_thread(process.stop)


class Watcher:
    """Reads topics once a second, so that watching costs next to nothing."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def records(self) -> list[Any]:
        """What came within the last second or so."""
        found = await self._consumer.getmany(timeout_ms=1000)
        return [record for records in found.values() for record in records]


@asynccontextmanager
async def _watching(kafka: KafkaSettings, *topics: str) -> AsyncIterator[Watcher]:
    consumer = await _at_end(kafka, *topics, fetch_min_bytes=8 * 1024 * 1024, fetch_max_wait_ms=1000)
    try:
        yield Watcher(consumer)
    finally:
        await consumer.stop()


async def _at_end(kafka: KafkaSettings, *topics: str, **options: Any) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(**connection(kafka), enable_auto_commit=False, **options)
    await consumer.start()
    counts = {topic.name: topic.partitions for topic in ALL}
    partitions = [TopicPartition(topic, number) for topic in topics for number in range(counts[topic])]
    consumer.assign(partitions)
    for partition, end in (await consumer.end_offsets(partitions)).items():
        consumer.seek(partition, end)
    return consumer


def _terminal_id(request: RunRequested) -> Any:
    return uuid5(request.run_id, f"{request.plan[0]}/terminal")


def _end_of(process: ServiceProcess) -> str:
    return f"its log ends with:\n{process.log.read_text()[-2000:]}"


def _block(lines: dict[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix).lower(): value for name, value in lines.items() if name.startswith(prefix)}
