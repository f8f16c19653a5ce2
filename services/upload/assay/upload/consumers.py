"""Kafka entry point: of both lanes, the files that analyzers derived."""

from faststream.kafka import KafkaBroker

from assay.contracts import FileDerived, event_type
from assay.contracts.topics import FILES, FILES_BULK
from assay.shared import consuming, database
from assay.shared.consuming import Delivery, Ordering, ParallelConsumer
from assay.shared.kafka import Publisher
from assay.upload.derived import DerivedFiles

GROUP = "assay.upload"
WINDOW = 8


def build_consumer(broker: KafkaBroker, *, derived: DerivedFiles, publisher: Publisher) -> ParallelConsumer:
    """The consumer of this service. Everything else on the lanes comes from here and is passed over.

    Not a static member: partitions may move as replicas come and go, since a record costs next to nothing.
    """

    async def on_record(delivery: Delivery) -> None:
        """Write a derived file down."""
        if event_type(delivery.headers) != FileDerived.type:
            return
        event = delivery.event()
        if isinstance(event, FileDerived):
            await derived.record(event, delivery.topic)

    return ParallelConsumer(
        broker,
        topics=(FILES.name, FILES_BULK.name),
        group=GROUP,
        handler=on_record,
        publisher=publisher,
        window=WINDOW,
        ordering=Ordering.NONE,
        # Most of what is there came from here.
        patient=True,
        waits_out=lambda error: consuming.is_outage(error) or database.is_outage(error),
    )
