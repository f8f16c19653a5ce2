"""Records events by the service's own use case, in an order that a test decides."""

import asyncio
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from assay.contracts import Event
from assay.results.recording import Read, Slice
from assay.results.service import RunService
from assay.shared.ids import new_id


class Recorder:
    """Records events as if they were read in this order, from a topic of this test's own."""

    def __init__(self, service: RunService, engine: AsyncEngine) -> None:
        self._service = service
        self._engine = engine
        self._topic, self._topic_id = f"test-{uuid4()}", new_id()
        self._offset = 1

    async def start(self, partitions: int) -> None:
        async with self._engine.begin() as session:
            for partition in range(partitions):
                row = text("INSERT INTO positions VALUES (:topic, :partition, :id, 0)")
                await session.execute(row.bindparams(topic=self._topic, partition=partition, id=self._topic_id))

    async def stop(self) -> None:
        async with self._engine.begin() as session:
            await session.execute(text("DELETE FROM positions WHERE topic = :topic").bindparams(topic=self._topic))

    async def record(self, *events: Event, partition: int = 0, at_once: int = 1) -> None:
        """One after the other, or so many in a batch."""
        for start in range(0, len(events), at_once):
            reads = [Read(self._offset + number, event) for number, event in enumerate(events[start : start + at_once])]
            self._offset += len(reads)
            await self._service.record([Slice(self._topic, partition, self._topic_id, reads)])

    async def together(self, *events: Event) -> None:
        """Each from a partition of its own, at the same time."""
        await asyncio.gather(*(self.record(event, partition=number) for number, event in enumerate(events)))
