"""Kafka entry point: one consumer for both lanes, the analyses and the analyzers."""

from collections.abc import Sequence
from itertools import groupby

import structlog
from faststream.kafka import KafkaBroker

from assay.contracts import EVENTS, AnalyzerRegistered, event_type
from assay.contracts.topics import ANALYSES, ANALYZERS, FILES, FILES_BULK
from assay.results import metrics
from assay.results.positions import Positions
from assay.results.recording import FileNews, Read, Slice
from assay.results.service import RunService
from assay.shared import consuming, database
from assay.shared.consuming import Delivery, GivingWay, Lane, Ordering, ParallelConsumer
from assay.shared.kafka import Publisher

log = structlog.get_logger(__name__)

GROUP = "assay.results"
TOPICS = (FILES.name, FILES_BULK.name, ANALYSES.name, ANALYZERS.name)
MAX_BATCH = 1000
"""Of several partitions together: a transaction costs as much as fifty records."""
BUFFER_RECORDS = 20_000
"""So that each of 48 partitions may have two batches waiting."""
BUFFER_BYTES = 64 << 20
LANES = {
    FILES.name: Lane(weight=8, combines=True),
    ANALYSES.name: Lane(weight=8, combines=True, waited_for=False),
    ANALYZERS.name: Lane(weight=8, waited_for=False),
    FILES_BULK.name: Lane(weight=1, share=0.25, gives_way=True),
}
"""What people wait for comes first; requests in the bulk lane fill no more than a part of the window, and less while
somebody waits. Analyses are those of both lanes, so they tell nothing about that."""
NEWS = {name for name, event in EVENTS.items() if issubclass(event, FileNews | AnalyzerRegistered)}
"""Types that change rows here. The others need not even be decoded."""


def build_consumer(
    broker: KafkaBroker,
    *,
    service: RunService,
    positions: Positions,
    publisher: Publisher,
    giving_way: GivingWay,
    slot: int,
    window: int,
) -> ParallelConsumer:
    """Records of one partition are written in their order: the position says that all before it is in the tables."""

    async def on_batch(batch: Sequence[Delivery]) -> None:
        """Write records. Redelivery is safe: the position says what is written already."""
        slices = []
        for (topic, partition), some in groupby(batch, lambda each: (each.topic, each.partition)):
            topic_id = positions.topic_ids[topic]
            assert topic_id is not None  # set before the first record of an assignment is taken
            slices.append(Slice(topic, partition, topic_id, [_read(each) for each in some]))
        for each, late in zip(slices, await service.record(slices), strict=True):
            if late:
                metrics.ALREADY_RECORDED.labels(topic=each.topic).inc(late)
                where = {"topic": each.topic, "partition": each.partition, "offset": each.reads[0].offset}
                log.info("already_recorded", **where, records=late)

    return ParallelConsumer(
        broker,
        topics=TOPICS,
        group=GROUP,
        batch_handler=on_batch,
        max_batch=MAX_BATCH,
        buffer_records=BUFFER_RECORDS,
        buffer_bytes=BUFFER_BYTES,
        lanes=LANES,
        giving_way=giving_way,
        publisher=publisher,
        instance_id=f"{GROUP}-{slot}",
        window=window,
        ordering=Ordering.PARTITION,
        starts_at=positions.starts_at,
        waits_out=lambda error: consuming.is_outage(error) or database.is_outage(error),
    )


def _read(delivery: Delivery) -> Read:
    is_news = event_type(delivery.headers) in NEWS
    return Read(
        offset=delivery.offset,
        event=delivery.event() if is_news else None,
        key=delivery.key.decode("utf-8", errors="replace"),
        tombstone=delivery.value is None,
        in_trace=delivery.in_trace,
    )
