"""Kafka entry point: one consumer for both lanes, the analyses and the analyzers."""

import structlog
from faststream.kafka import KafkaBroker

from assay.contracts.topics import ANALYSES, ANALYZERS, FILES, FILES_BULK
from assay.results import metrics
from assay.results.errors import PositionTakenError
from assay.results.positions import Positions
from assay.results.service import RunService
from assay.shared import consuming, database
from assay.shared.consuming import Delivery, Ordering, ParallelConsumer
from assay.shared.kafka import Publisher

log = structlog.get_logger(__name__)

GROUP = "assay.results"
TOPICS = (FILES.name, FILES_BULK.name, ANALYSES.name, ANALYZERS.name)


def build_consumer(
    broker: KafkaBroker,
    *,
    service: RunService,
    positions: Positions,
    publisher: Publisher,
    slot: int,
    window: int,
) -> ParallelConsumer:
    """Records of one partition are written in their order: the position says that all before it is in the tables."""

    async def on_record(delivery: Delivery) -> None:
        """Write one record. Redelivery is safe: the position says that it is written already."""
        topic_id = positions.topic_ids[delivery.topic]
        assert topic_id is not None  # set before the first record of an assignment is taken
        try:
            await service.record(
                delivery.event(),
                topic=delivery.topic,
                partition=delivery.partition,
                offset=delivery.offset,
                topic_id=topic_id,
                key=delivery.key.decode("utf-8", errors="replace"),
                tombstone=delivery.value is None,
            )
        except PositionTakenError:
            metrics.ALREADY_RECORDED.labels(topic=delivery.topic).inc()
            log.info("already_recorded", topic=delivery.topic, partition=delivery.partition, offset=delivery.offset)

    return ParallelConsumer(
        broker,
        topics=TOPICS,
        group=GROUP,
        handler=on_record,
        publisher=publisher,
        instance_id=f"{GROUP}-{slot}",
        window=window,
        ordering=Ordering.PARTITION,
        starts_at=positions.starts_at,
        waits_out=lambda error: consuming.is_outage(error) or database.is_outage(error),
    )
