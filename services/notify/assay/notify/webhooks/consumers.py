"""Kafka entry point: a group of its own on all that is said of files."""

from collections.abc import Callable, Sequence

from faststream.kafka import KafkaBroker

from assay.contracts.topics import ANALYSES, FILES, FILES_BULK
from assay.notify.webhooks.domain import read
from assay.notify.webhooks.recording import Recorder
from assay.shared import consuming, database
from assay.shared.consuming import Delivery, Ordering, ParallelConsumer
from assay.shared.kafka import Publisher

GROUP = "assay.notify.webhooks"
WINDOW = 4


def build_consumer(
    broker: KafkaBroker, *, recorder: Recorder, publisher: Publisher, news: Callable[[], None]
) -> ParallelConsumer:
    """The consumer. Not a static member: a record costs little, so partitions may move as replicas come and go.

    news: called when there is something to send.
    """

    async def on_batch(batch: Sequence[Delivery]) -> None:
        """Write deliveries. Redelivery is safe: an event and a webhook have one row."""
        messages = [read(each.value, each.headers) for each in batch]
        if await recorder.record([each for each in messages if each is not None]):
            news()

    return ParallelConsumer(
        broker,
        topics=(FILES.name, FILES_BULK.name, ANALYSES.name),
        group=GROUP,
        batch_handler=on_batch,
        publisher=publisher,
        window=WINDOW,
        ordering=Ordering.PARTITION,
        # Most of what is there no webhook asks for.
        patient=True,
        waits_out=lambda error: consuming.is_outage(error) or database.is_outage(error),
    )
