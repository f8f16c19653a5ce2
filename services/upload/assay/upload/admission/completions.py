"""Which runs have come to their end: what upload has to hear to know how many are in flight.

Of all topics `assay.verdicts` says that in the fewest records, one for each run. It is compacted, so the end of a run
may be missing behind that of a later one; a run whose deadline has passed counts as ended all the same, as results sees
to it that it is.
"""

from collections.abc import Sequence
from uuid import UUID

from faststream.kafka import KafkaBroker

from assay.contracts import RunCompleted, event_type
from assay.contracts.topics import VERDICTS
from assay.shared import consuming, database
from assay.shared.consuming import Delivery, Ordering, ParallelConsumer
from assay.shared.database import Transaction
from assay.shared.kafka import Publisher
from assay.upload.admission.repository import UsageRepository

GROUP = "assay.upload.completions"
WINDOW = 4


def build_consumer(broker: KafkaBroker, *, transaction: Transaction, publisher: Publisher) -> ParallelConsumer:
    """The consumer. What waits of a partition is written at once; again, it changes nothing."""

    async def on_batch(batch: Sequence[Delivery]) -> None:
        statuses: dict[UUID, str] = {}
        for delivery in batch:
            if event_type(delivery.headers) == RunCompleted.type:
                event = delivery.event()
                if isinstance(event, RunCompleted):
                    statuses.setdefault(event.run_id, event.status)
        if statuses:
            async with transaction() as session:
                await UsageRepository(session).complete(statuses)

    return ParallelConsumer(
        broker,
        topics=(VERDICTS.name,),
        group=GROUP,
        batch_handler=on_batch,
        publisher=publisher,
        window=WINDOW,
        ordering=Ordering.PARTITION,
        patient=True,
        waits_out=lambda error: consuming.is_outage(error) or database.is_outage(error),
    )
