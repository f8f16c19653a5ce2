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
        begun = [
            begin_at_told(each, max(told[each], firsts[each]), held.get(each))
            if each in told
            else begin_at_commit(
                each,
                stored.get(each),
                author=self._author,
                first=firsts[each],
                end=ends[each],
                known=held.get(each),
            )
            for each in sorted(assigned)
        ]
        for each in begun:
            if each.held.cautious_below:
                log.warning(
                    "unclean_end",
                    group=self._group,
                    topic=each.held.partition.topic,
                    partition=each.held.partition.partition,
                    suspects=len(each.held.suspects),
                )
        return begun

    async def _commits(self, assigned: set[TopicPartition]) -> dict[TopicPartition, OffsetAndMetadata]:
        # The consumer's own `committed()` drops the metadata.
        admin = self._broker.config.broker_config.admin_client
        found = await admin.list_consumer_group_offsets(self._group, partitions=sorted(assigned))
        return {each: commit for each, commit in found.items() if commit.offset >= 0}


def begin_at_told(partition: TopicPartition, told: int, known: HeldPartition | None) -> Beginning:
    """Where positions are kept elsewhere. Going back behind what is done here asks for it again."""
    if known is not None and told >= known.tracker.position:
        return Beginning(known, max(told, known.tracker.next))
    return Beginning(HeldPartition(partition, told), told, replaces=known)


def begin_at_commit(
    partition: TopicPartition,
    stored: OffsetAndMetadata | None,
    *,
    author: int,
    first: int,
    end: int,
    known: HeldPartition | None,
) -> Beginning:
    """author: this process. stored: the group's last commit. first, end: what the partition has. known: what this
    member holds already, from before a rebalance.
    """
    note = commit_metadata.decode(stored.metadata, stored.offset) if stored is not None else None
    is_mine = note is not None and note.author == author
    if known is not None and (is_mine or known.noted_version < 0):
        return Beginning(known, known.tracker.next)
    if stored is None or stored.offset > end:
        # A new group, or a topic that was made anew: all that there is.
        return Beginning(HeldPartition(partition, first), first, replaces=known)
    fresh = HeldPartition(partition, max(stored.offset, first), note, was_alive=is_mine)
    if note is not None and not note.is_clean and not is_mine:
        fresh.cautious_below = min(end, note.next + CAUTIOUS_RECORDS)
    return Beginning(fresh, fresh.tracker.next, replaces=known)
