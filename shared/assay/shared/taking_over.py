"""Where to begin on partitions just assigned, and what their last holder left behind."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata
from faststream.kafka import KafkaBroker

from assay.shared import commit_metadata
from assay.shared.holding import HeldPartition

log = structlog.get_logger(__name__)

CAUTIOUS_RECORDS = 5000
"""So many records beyond those that a commit told of may have been taken, and started, before the process died."""

StartsAt = Callable[[set[TopicPartition]], Awaitable[dict[TopicPartition, int]]]


@dataclass(frozen=True, slots=True)
class Beginning:
    """How one partition goes on."""

    held: HeldPartition
    reads_from: int
    replaces: HeldPartition | None = None
    """What this member knew of the partition and is no longer true: somebody else had it in between."""


class TakingOver:
    """Reads the group's commits and makes what this member holds."""

    def __init__(self, broker: KafkaBroker, group: str, author: int, starts_at: StartsAt | None) -> None:
        """author: whose notes are this process' own. starts_at: positions kept elsewhere, which win."""
        self._broker = broker
        self._group = group
        self._author = author
        self._starts_at = starts_at

    async def begin(
        self, consumer: Any, assigned: set[TopicPartition], held: Mapping[TopicPartition, HeldPartition]
    ) -> list[Beginning]:
        """One for each assigned partition. Raises whatever Kafka or `starts_at` raises; then nothing has changed."""
        if not assigned:
            return []
        told = await self._starts_at(assigned) if self._starts_at is not None else {}
        stored = await self._commits(assigned) if self._starts_at is None else {}
        ends = await consumer.end_offsets(list(assigned))
        firsts = await consumer.beginning_offsets(list(assigned))
        return [
            self._begin_at_told(each, max(told[each], firsts[each]), held.get(each))
            if each in told
            else self._begin_at_commit(each, stored.get(each), firsts[each], ends[each], held.get(each))
            for each in sorted(assigned)
        ]

    async def _commits(self, assigned: set[TopicPartition]) -> dict[TopicPartition, OffsetAndMetadata]:
        # The consumer's own `committed()` drops the metadata.
        admin = self._broker.config.broker_config.admin_client
        found = await admin.list_consumer_group_offsets(self._group, partitions=sorted(assigned))
        return {each: commit for each, commit in found.items() if commit.offset >= 0}

    def _begin_at_told(self, partition: TopicPartition, told: int, known: HeldPartition | None) -> Beginning:
        if known is not None and told >= known.tracker.position:
            return Beginning(known, max(told, known.tracker.next))
        return Beginning(HeldPartition(partition, told), told, replaces=known)

    def _begin_at_commit(
        self,
        partition: TopicPartition,
        stored: OffsetAndMetadata | None,
        first: int,
        end: int,
        known: HeldPartition | None,
    ) -> Beginning:
        note = commit_metadata.decode(stored.metadata, stored.offset) if stored is not None else None
        if known is not None and (known.noted_version < 0 or (note is not None and note.author == self._author)):
            return Beginning(known, known.tracker.next)
        if stored is None or stored.offset > end:
            # A new group, or a topic that was made anew: all that there is. With an offset in every partition from
            # the beginning, the group's lag can be told.
            return Beginning(HeldPartition(partition, first), first, replaces=known)
        start = max(stored.offset, first)
        mine = note is not None and note.author == self._author
        fresh = HeldPartition(partition, start, note, was_alive=mine)
        if note is not None and not note.is_clean and not mine:
            fresh.cautious_below = min(end, note.next + CAUTIOUS_RECORDS)
            log.warning(
                "unclean_end",
                group=self._group,
                topic=partition.topic,
                partition=partition.partition,
                suspects=len(fresh.suspects),
            )
        return Beginning(fresh, fresh.tracker.next, replaces=known)
