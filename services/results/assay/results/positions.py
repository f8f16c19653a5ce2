"""Where the tables stand in Kafka: one row per partition, written in the transaction of the rows it speaks of."""

import structlog
from aiokafka import TopicPartition
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from assay.results.tables import Position
from assay.shared.database import Transaction
from assay.shared.settings import KafkaSettings
from assay.shared.topic_ids import topic_ids

log = structlog.get_logger(__name__)


class Positions:
    """The stored positions, and the ids of the topics that this process reads."""

    def __init__(self, transaction: Transaction, settings: KafkaSettings, topics: tuple[str, ...]) -> None:
        self._transaction = transaction
        self._settings = settings
        self._topics = topics
        self.topic_ids = dict.fromkeys(topics)  # unknown until the first assignment

    async def starts_at(self, assigned: set[TopicPartition]) -> dict[TopicPartition, int]:
        """Where to begin on each partition: where the tables stand, or at its beginning where it is another topic."""
        if not assigned:
            return {}
        ids = await topic_ids(self._settings, self._topics)
        rows = [
            {"topic": each.topic, "partition": each.partition, "topic_id": ids[each.topic], "next_offset": 0}
            for each in sorted(assigned)
        ]
        async with self._transaction() as session:
            fresh = insert(Position).values(rows)
            await session.execute(
                fresh.on_conflict_do_update(
                    index_elements=[Position.topic, Position.partition],
                    set_={"topic_id": fresh.excluded.topic_id, "next_offset": 0},
                    where=Position.topic_id != fresh.excluded.topic_id,
                )
            )
            stored = (await session.scalars(select(Position))).all()
        self.topic_ids.update(ids)
        found = {TopicPartition(row.topic, row.partition): row.next_offset for row in stored}
        # Below the oldest record that is kept, Kafka answers "out of range" and the consumer takes the oldest.
        starts = {each: found[each] for each in assigned}
        log.info("positions_taken", partitions=len(starts), records=sum(starts.values()))
        return starts
