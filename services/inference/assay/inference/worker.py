"""One analyzer taking work: from loading its model to the last event before the process ends."""

import asyncio
import random

import structlog
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker

from assay.contracts import AnalyzerRegistered
from assay.inference import metrics, plugins
from assay.inference.engine import Engine
from assay.inference.models import ModelStore
from assay.shared.clock import now
from assay.shared.consuming import ParallelConsumer
from assay.shared.kafka import Publisher

log = structlog.get_logger(__name__)

LONGEST_BACKOFF_S = 15.0
BROKER_STOP_S = 3.0


class NotReadyError(Exception):
    """The analyzer takes no work yet."""


class Worker:
    """Loads an analyzer, joins its group, then announces it."""

    def __init__(
        self,
        *,
        engine: Engine,
        models: ModelStore,
        broker: KafkaBroker,
        consumer: ParallelConsumer,
        publisher: Publisher,
    ) -> None:
        self._engine = engine
        self._models = models
        self._broker = broker
        self._consumer = consumer
        self._publisher = publisher
        self._state = "loading"
        self.name = engine.manifest.name

    async def open(self) -> bool:
        """Take up work. False where the analyzer cannot be loaded: it stays out, and one line says why."""
        try:
            self._engine.equip(await asyncio.to_thread(self._models.find_all, self._engine.manifest))
            await self._engine.open()
        except Exception as error:  # a stranger's code may raise anything; the other analyzers go on
            plugins.stays_out(self.name, error)
            self._engine.close()
            self._state = "out"
            return False
        self._state = "joining its group"
        await self._consumer.start()
        await self._persistently_start()
        # Offsets are committed for the assigned partitions before this event is set.
        await self._consumer.assigned.wait()
        await self._publisher.publish(AnalyzerRegistered(occurred_at=now(), manifest=self._engine.manifest))
        self._state = "working"
        metrics.ANALYZERS_UP.labels(analyzer=self.name, version=self._engine.manifest.version).set(1)
        log.info(
            "analyzer_registered", analyzer=self.name, version=self._engine.manifest.version, device=self._engine.device
        )
        return True

    async def close(self, drain_s: float) -> None:
        """Finish what runs within the time, commit, leave."""
        if self._state in ("joining its group", "working"):
            await self._consumer.stop(drain_s)
            try:
                async with asyncio.timeout(BROKER_STOP_S):
                    await self._broker.stop()
            except TimeoutError:
                log.warning("broker_stop_timed_out", analyzer=self.name)
        if self._state != "out":
            self._engine.close()

    async def check(self) -> None:
        """Raise while no work is taken; for `/readyz`."""
        if self._state != "working":
            raise NotReadyError(f"{self.name} is {self._state}")
        await self._consumer.check()

    def seconds_stalled(self) -> float:
        """For `/healthz`: work is there and nothing moved, beyond the time that one analysis may take."""
        stalled = max(self._consumer.seconds_stalled(), self._engine.device_busy_s())
        return max(0.0, stalled - self._engine.manifest.time_limit_s)

    async def _persistently_start(self) -> None:
        backoff = 0.5
        while True:
            try:
                await self._broker.start()
                return
            except KafkaError as error:
                log.warning("broker_not_reached", analyzer=self.name, reason=str(error) or type(error).__name__)
            await asyncio.sleep(random.uniform(backoff / 2, backoff))
            backoff = min(LONGEST_BACKOFF_S, backoff * 2)
