"""Where requests come in: one consumer group for each analyzer, on both lanes."""

import json
from collections.abc import Hashable

from aiokafka import ConsumerRecord
from faststream.kafka import KafkaBroker

from assay.contracts import FileDeleted, FileDerived, MalformedEventError, RunRequested, event_type
from assay.contracts.topics import FILES, FILES_BULK, LANES
from assay.inference.errors import AnalyzerCrashedError, is_transient
from assay.inference.service import AnalysisService
from assay.shared import consuming, objects
from assay.shared.consuming import (
    Delivery,
    GivingWay,
    Isolation,
    Lane,
    Ordering,
    ParallelConsumer,
    PermanentError,
    WorkerCrashedError,
)
from assay.shared.kafka import Publisher

WINDOW = 64
# People first; what can wait is never starved, and never fills the window.
SHARES = {FILES.name: Lane(weight=8), FILES_BULK.name: Lane(weight=1, share=0.75, gives_way=True)}
# So far ahead owners take turns.
BUFFER_RECORDS = 5000
BUFFER_BYTES = 32 << 20


def group_of(analyzer: str) -> str:
    """The consumer group of an analyzer."""
    return f"assay.inference.{analyzer}"


def owner_of(record: ConsumerRecord) -> Hashable:
    """Whose file a record is about; None for a tombstone. Raises where the body is no JSON object."""
    return json.loads(record.value).get("owner_id") if record.value else None


def is_deletion(record: ConsumerRecord) -> bool:
    """True for what must overtake: it ends the analyses of its file."""
    return event_type(record.headers) == FileDeleted.type


def build_consumer(
    broker: KafkaBroker,
    service: AnalysisService,
    *,
    analyzer: str,
    publisher: Publisher,
    slot: int,
    max_attempts: int,
    isolation: Isolation,
    giving_way: GivingWay,
) -> ParallelConsumer:
    """The consumer of one analyzer. Begins at earliest: what was requested before it was installed is not lost."""

    async def on_record(delivery: Delivery) -> None:
        event = delivery.event()
        if isinstance(event, FileDeleted):
            await service.forget(event)
        elif isinstance(event, (RunRequested, FileDerived)):
            try:
                await service.examine(event, urgent=delivery.topic == FILES.name)
            except Exception as error:
                if is_transient(error):
                    raise
                raise PermanentError(f"{type(error).__name__}: {error}") from error

    async def on_gave_up(delivery: Delivery, error: BaseException) -> None:
        if isinstance(error, MalformedEventError):
            return  # nobody can tell which run it meant
        if isinstance(error, WorkerCrashedError):
            error = AnalyzerCrashedError("died each time, and nothing else was going on in it")
        event = delivery.event()
        if isinstance(event, (RunRequested, FileDerived)):
            await service.give_up(event, error.__cause__ or error)

    group = group_of(analyzer)
    return ParallelConsumer(
        broker,
        topics=tuple(lane.name for lane in LANES),
        group=group,
        handler=on_record,
        publisher=publisher,
        instance_id=f"{group}-{slot}",
        window=WINDOW,
        buffer_records=BUFFER_RECORDS,
        buffer_bytes=BUFFER_BYTES,
        ordering=Ordering.NONE,
        lanes=SHARES,
        turn_of=owner_of,
        urgent=is_deletion,
        isolation=isolation,
        giving_way=giving_way,
        max_attempts=max_attempts,
        gave_up=on_gave_up,
        # While storage is away a run's deadline is the limit: no file is to blame.
        waits_out=lambda error: consuming.is_outage(error) or objects.is_outage(error),
    )
