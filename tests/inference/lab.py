"""Requests runs as upload does, and reads what workers say of them."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer

from assay.contracts import (
    AnalysisCompleted,
    AnalysisExplained,
    AnalysisFailed,
    AnalysisStarted,
    Artifact,
    Event,
    FileDeleted,
    RunRequested,
    decode,
)
from assay.contracts.cloudevents import header
from assay.shared.clock import now
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher, connection
from assay.shared.objects import ObjectStore
from assay.shared.settings import KafkaSettings, S3Settings

WAIT_S = 60.0


@dataclass(frozen=True)
class Seen:
    """One event of an analysis, as it lies in the topic."""

    event: Any
    id: str
    trace_id: str
    partition: int
    offset: int


class Lab:
    """Requests runs and waits for what workers say."""

    def __init__(self, kafka: KafkaSettings, s3: S3Settings) -> None:
        self.kafka = kafka
        self.s3 = s3
        self.publisher = Publisher(kafka, source="/assay/upload")
        self.store = ObjectStore(s3)
        self.seen: list[Seen] = []
        self._news = asyncio.Condition()

    async def put(self, content: bytes, *, owner: str = "tester", stored: bool = True, **changes: Any) -> RunRequested:
        """A file in storage, and the request for its first run, which is not published yet."""
        file_id = new_id()
        key = f"files/{file_id}/content"
        if stored:
            await self.store.put(key, content, media_type="application/octet-stream")
        request = RunRequested(
            occurred_at=now(),
            file_id=file_id,
            owner_id=owner,
            run_id=new_id(),
            run_number=1,
            plan=("hostile",),
            deadline=now() + timedelta(hours=1),
            media_type="application/x-assay-test",
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            object_key=key,
        )
        return request.model_copy(update=changes)

    async def request(self, content: bytes, **changes: Any) -> RunRequested:
        """Store a file and request its run."""
        request = await self.put(content, **changes)
        await self.publisher.publish(request, topics=["assay.files"])
        return request

    async def delete(self, request: RunRequested) -> None:
        event = FileDeleted(occurred_at=now(), file_id=request.file_id, owner_id=request.owner_id)
        await self.publisher.publish(event, topics=["assay.files"])

    async def start(self) -> None:
        await self.publisher.start()
        topics = ("assay.analyses", "assay.dead-letters", "assay.analyzers")
        consumer = AIOKafkaConsumer(*topics, **connection(self.kafka), auto_offset_reset="earliest")
        await consumer.start()
        self._watching = asyncio.create_task(self._watch(consumer))

    async def stop(self) -> None:
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        await self.publisher.stop()
        self.store.close()

    async def _watch(self, consumer: AIOKafkaConsumer) -> None:
        try:
            async for record in consumer:
                trace = (header(record.headers, "traceparent") or "--").split("-")[1]
                event = decode(record.value, record.headers) if record.topic != "assay.dead-letters" else record
                event_id = header(record.headers, "ce_id") or ""
                async with self._news:
                    self.seen.append(Seen(event, event_id, trace, record.partition, record.offset))
                    self._news.notify_all()
        finally:
            await consumer.stop()

    def of_run(self, run_id: UUID, analyzer: str | None = None) -> list[Seen]:
        return [
            each
            for each in self.seen
            if isinstance(each.event, Event)
            and getattr(each.event, "run_id", None) == run_id
            and analyzer in (None, getattr(each.event, "analyzer", None))
        ]

    async def until(self, fact: Callable[[], bool], within_s: float = WAIT_S) -> None:
        """Wait until the fact, asked again after each event, is true."""
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(fact)

    async def until_true(self, fact: Callable[[], bool], within_s: float = WAIT_S) -> None:
        """Wait until a fact outside of Kafka is true."""
        async with asyncio.timeout(within_s):
            while True:
                if fact():
                    return
                await asyncio.sleep(0.05)

    async def ended(self, request: RunRequested, analyzer: str = "hostile", ends: int = 1) -> list[Seen]:
        """All events of the analysis, once it has that many terminal ones."""

        def is_over() -> bool:
            return sum(is_terminal(each) for each in self.of_run(request.run_id, analyzer)) >= ends

        try:
            await self.until(is_over)
        except TimeoutError:
            seen = [type(each.event).__name__ for each in self.of_run(request.run_id)]
            raise AssertionError(f"{analyzer} did not end {request.run_id}; seen: {seen}") from None
        return self.of_run(request.run_id, analyzer)

    async def completed(self, request: RunRequested, analyzer: str = "hostile") -> AnalysisCompleted:
        last = next(each.event for each in await self.ended(request, analyzer) if is_terminal(each))
        assert isinstance(last, AnalysisCompleted), last
        return last

    async def failed(self, request: RunRequested, analyzer: str = "hostile") -> AnalysisFailed:
        last = next(each.event for each in await self.ended(request, analyzer) if is_terminal(each))
        assert isinstance(last, AnalysisFailed), last
        return last

    async def explained(self, request: RunRequested, analyzer: str = "hostile") -> tuple[Artifact, ...]:
        """What there is to look at, once the verdict that came before it says that something follows."""
        assert (await self.completed(request, analyzer)).artifacts_follow

        def found() -> list[AnalysisExplained]:
            events = [each.event for each in self.of_run(request.run_id, analyzer)]
            return [each for each in events if isinstance(each, AnalysisExplained)]

        await self.until(lambda: bool(found()))
        return found()[0].artifacts

    def dead_letters(self, request: RunRequested) -> list[Any]:
        key = str(request.file_id).encode()
        return [
            each.event
            for each in self.seen
            if getattr(each.event, "topic", "") == "assay.dead-letters" and each.event.key == key
        ]


def is_terminal(seen: Seen) -> bool:
    return isinstance(seen.event, AnalysisCompleted | AnalysisFailed)


def kinds(events: list[Seen]) -> list[str]:
    """started and its end, in the order of the partition; what may be there or not is left out."""
    names = {AnalysisStarted: "started", AnalysisCompleted: "completed", AnalysisFailed: "failed"}
    assert len({each.partition for each in events}) <= 1
    return [names[type(each.event)] for each in events if type(each.event) in names]
