"""Commits: periodic, with a note of what is done and what runs; and at once, where a start must be known first."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, ConsumerStoppedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from assay.shared.holding import HeldPartition
from assay.shared.tasks import end

log = structlog.get_logger(__name__)

INTERVAL_S = 0.1


class Committer:
    """Tells Kafka what of the held partitions is done."""

    def __init__(
        self,
        group: str,
        consumer: Callable[[], Any],
        held: Mapping[TopicPartition, HeldPartition],
        *,
        with_notes: bool,
        committed: Callable[[], None],
    ) -> None:
        """with_notes: the commits carry metadata. committed: called after each round."""
        self.author = secrets.randbits(64)
        self.is_clean = False
        """Set while nothing runs any more, or what runs goes on although its partition may not come back."""
        self._group = group
        self._consumer = consumer
        self._held = held
        self._with_notes = with_notes
        self._committed = committed
        self._hurry = asyncio.Event()
        self._round = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to commit."""
        self._task = asyncio.create_task(self._commit_for_ever(), name=f"commit {self._group}")

    async def stop(self) -> None:
        """Commit no more by itself."""
        await end(self._task)

    async def _commit_for_ever(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_S):
                    await self._hurry.wait()
            self._hurry.clear()
            if not await self.commit():
                await asyncio.sleep(INTERVAL_S)
            ended, self._round = self._round, asyncio.Event()
            ended.set()
            self._committed()

    async def noted(self, held: HeldPartition) -> None:
        """Return once Kafka has stored what is the state of this partition now."""
        version = held.version
        while held.noted_version < version or held.is_noted_clean:
            self._hurry.set()
            await self._round.wait()

    async def commit(self) -> bool:
        """Commit what has changed. False where Kafka did not take it: the next commit says it again."""
        async with self._one_at_a_time:  # a later commit must not arrive first
            consumer = self._consumer()
            if consumer is None:
                return True
            is_clean = self.is_clean
            assigned = consumer.assignment()
            telling = {
                held: held.version for held in self._held.values() if held.partition in assigned and self._is_new(held)
            }
            if not telling:
                return True
            offsets: dict[TopicPartition, OffsetAndMetadata] = {}
            for held in telling:
                at, text = held.note(self.author, is_clean=is_clean)
                offsets[held.partition] = OffsetAndMetadata(at, text if self._with_notes else "")
            if not await self._send(consumer, offsets):
                return False
            for held, version in telling.items():
                held.noted(version, offsets[held.partition].offset, is_clean=is_clean)
            return True

    def _is_new(self, held: HeldPartition) -> bool:
        if self._with_notes:
            return held.noted_version < held.version or held.is_noted_clean != self.is_clean
        return held.tracker.position > held.noted_position

    async def _send(self, consumer: Any, offsets: dict[TopicPartition, OffsetAndMetadata]) -> bool:
        try:
            await consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError) as error:
            log.info("commit_postponed", group=self._group, reason=str(error))
            return False
        except (KafkaError, ConsumerStoppedError) as error:
            log.warning("commit_failed", group=self._group, reason=str(error) or type(error).__name__)
            return False
        return True
