"""Where requests come in: one consumer group for each analyzer, on both lanes."""

from faststream.kafka import KafkaBroker

from assay.contracts import FileDeleted, FileDerived, MalformedEventError, RunRequested
from assay.contracts.topics import FILES, LANES
from assay.inference.errors import is_transient
from assay.inference.service import AnalysisService
from assay.shared.consuming import Delivery, Ordering, ParallelConsumer, PermanentError
from assay.shared.kafka import Publisher

WINDOW = 64


def group_of(analyzer: str) -> str:
    """The consumer group of an analyzer."""
    return f"assay.inference.{analyzer}"


def build_consumer(
    broker: KafkaBroker,
    service: AnalysisService,
    *,
    analyzer: str,
    publisher: Publisher,
    slot: int,
    max_attempts: int,
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
        # A deletion must not wait behind the analysis that it is to end.
        ordering=Ordering.NONE,
        max_attempts=max_attempts,
        gave_up=on_gave_up,
    )
