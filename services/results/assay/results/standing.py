"""How the analyzers stand: has each of them workers, and how much lies before them.

Each analyzer is a consumer group of its own on both lanes. What Kafka says is kept for some seconds, however many ask;
where it does not answer in time, all of it is unknown, and said to be. Lag counts records, those included that are for
other analyzers only: a worker passes over them at once.
"""

import asyncio
import time
from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from assay.contracts.topics import LANES
from assay.results.schemas import AnalyzerHealth
from assay.shared.clock import now
from assay.shared.kafka import connection
from assay.shared.settings import KafkaSettings

log = structlog.get_logger(__name__)

KEPT_S = 5.0
ANSWER_S = 4.0
GROUP = "assay.inference."
PARTITIONS = tuple(TopicPartition(lane.name, number) for lane in LANES for number in range(lane.partitions))
UNKNOWN = AnalyzerHealth(status="unknown", workers=None, lag=None, as_of=None)


class Standing:
    """Asks Kafka, when somebody asks."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._asking = asyncio.Lock()
        self._known: dict[str, AnalyzerHealth] = {}
        self._known_at = float("-inf")
        self._open: AsyncExitStack | None = None
        self._admin: AIOKafkaAdminClient | None = None
        self._reader: AIOKafkaConsumer | None = None

    async def close(self) -> None:
        """Leave Kafka."""
        if self._open is not None:
            opened, self._open = self._open, None
            await opened.aclose()

    async def of(self, names: Collection[str]) -> Mapping[str, AnalyzerHealth]:
        """By analyzer; never raises for Kafka's sake."""
        async with self._asking:
            if time.monotonic() - self._known_at > KEPT_S or not self._known.keys() >= set(names):
                try:
                    async with asyncio.timeout(ANSWER_S):
                        self._known = await self._ask(names)
                except Exception as error:
                    log.warning("analyzers_standing_unknown", reason=str(error) or type(error).__name__)
                    self._known = dict.fromkeys(names, UNKNOWN)
                    await self.close()
                self._known_at = time.monotonic()
            return self._known

    async def _ask(self, names: Collection[str]) -> dict[str, AnalyzerHealth]:
        admin, reader = await self._connected()
        moment = now()
        found = {}
        for name in names:
            # What a group commits meanwhile makes less of its lag: its offsets first, so that none is below nothing.
            committed = await admin.list_consumer_group_offsets(GROUP + name, partitions=list(PARTITIONS))
            # One at a time: aiokafka reads an answer about several of them wrongly, from the second on.
            (answer,) = await admin.describe_consumer_groups([GROUP + name])
            (described,) = answer.groups
            *_, members = described[:6]
            found[name] = (len(members), {each: commit.offset for each, commit in committed.items()})
        ends: dict[TopicPartition, int] = await reader.end_offsets(list(PARTITIONS))
        return {
            name: AnalyzerHealth(
                status="working" if workers else "no_workers",
                workers=workers,
                lag=lag_of(offsets, ends),
                as_of=moment,
            )
            for name, (workers, offsets) in found.items()
        }

    async def _connected(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        if self._open is None:
            async with AsyncExitStack() as opening:
                self._admin = AIOKafkaAdminClient(**connection(self._settings), client_id="assay-results-standing")
                opening.push_async_callback(self._admin.close)
                await self._admin.start()
                self._reader = AIOKafkaConsumer(
                    **connection(self._settings),
                    client_id="assay-results-standing",
                    group_id=None,
                    enable_auto_commit=False,
                )
                opening.push_async_callback(self._reader.stop)
                await self._reader.start()
                self._open = opening.pop_all()
        assert self._admin is not None and self._reader is not None
        return self._admin, self._reader


def lag_of(offsets: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> dict[str, int] | None:
    """Records before a group, by topic; None where it has committed nothing, as a group that never worked."""
    lag: dict[str, int] = {}
    for partition, end in ends.items():
        offset = offsets.get(partition, -1)
        if offset < 0:
            return None
        lag[partition.topic] = lag.get(partition.topic, 0) + max(0, end - offset)
    return lag
