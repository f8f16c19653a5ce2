"""The inference service: `python -m assay.inference.main`."""

import asyncio
import os
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psutil
import structlog
from fastapi import FastAPI

from assay.inference import plugins
from assay.inference.artifacts import ArtifactStore
from assay.inference.attempts import Attempts
from assay.inference.cache import FileCache
from assay.inference.consumers import build_consumer
from assay.inference.deleting import DeletionFeed
from assay.inference.derived import Derivations, TypeReader
from assay.inference.device import Device, choose
from assay.inference.domain import Deletions
from assay.inference.engine import Engine
from assay.inference.memory import keep_large_blocks
from assay.inference.models import Checks, ModelStore
from assay.inference.reuse import EarlierVerdicts, Keeper
from assay.inference.sandbox import Sandbox
from assay.inference.scratch import folder_of_own
from assay.inference.service import AnalysisService
from assay.inference.settings import Settings
from assay.inference.worker import NotReadyError, Worker
from assay.sdk import Analyzer, AnalyzerManifest
from assay.shared import logs, tracing
from assay.shared.catalog import AnalyzerTable
from assay.shared.consuming import GivingWay, Isolation
from assay.shared.health import Health
from assay.shared.http import build_app, serve
from assay.shared.kafka import Publisher, build_broker, ensure_topics
from assay.shared.objects import ObjectStore
from assay.shared.settings import load

log = structlog.get_logger(__name__)

MEGABYTE = 1 << 20


class Inference:
    """Everything that this process runs, and what it is made of."""

    def __init__(self, settings: Settings, engines: list[Engine]) -> None:
        self._settings = settings
        self._publisher = Publisher(settings.kafka, source="/assay/inference")
        self._store = ObjectStore(settings.s3)
        self._files = FileCache(settings.cache.path, self._store, max_bytes=settings.cache.max_mb * MEGABYTE)
        self._attempts = Attempts(settings.cache.path / "attempts")
        self._artifacts = ArtifactStore(self._store)
        self._models = ModelStore(settings.models.path, Checks(settings.cache.path / "models"))
        self._deletions = Deletions()
        self._deletion_feed = DeletionFeed(
            settings.kafka, settings.cache.path / "deletions.json", deleted=self._forget, lost=self._files.clear
        )
        self._keeper = Keeper(self._store, self._deletions, is_busy=lambda: any(each.is_busy for each in engines))
        self._catalog = AnalyzerTable(settings.kafka, client_id="assay-inference-catalog")
        self._types = TypeReader()
        self._isolation = Isolation()
        self._giving_way = GivingWay(lambda: psutil.cpu_percent() / 100)
        self._workers = [self._worker(engine) for engine in engines]
        self.health = Health()
        self.health.needs("kafka", self._publisher.check)
        self.health.needs("s3", self._store.check)
        self.health.needs("analyzers", self._check_analyzers)
        # The plans of derived files are made of it.
        self._needs_catalog = any(engine.manifest.derives for engine in engines)
        if self._needs_catalog:
            self.health.needs("catalog", self._catalog.check)
        for worker in self._workers:
            self.health.needs(f"analyzer {worker.name}", worker.check)
            self.health.moves(worker.name, worker.seconds_stalled)

    def _worker(self, engine: Engine) -> Worker:
        name = engine.manifest.name
        broker = build_broker(self._settings.kafka, client_id=f"assay-inference-{name}")
        service = AnalysisService(
            engine=engine,
            files=self._files,
            artifacts=self._artifacts,
            earlier=EarlierVerdicts(lambda: engine.manifest, engine.analyzer.settings, self._store, self._keeper),
            derivations=self._derivations(engine.manifest),
            publisher=self._publisher,
            deletions=self._deletions,
            attempts=self._attempts,
        )
        consumer = build_consumer(
            broker,
            service,
            analyzer=name,
            publisher=self._publisher,
            slot=self._settings.slot,
            max_attempts=self._settings.engine.max_attempts,
            isolation=self._isolation,
            giving_way=self._giving_way,
        )
        return Worker(engine=engine, models=self._models, broker=broker, consumer=consumer, publisher=self._publisher)

    def _derivations(self, manifest: AnalyzerManifest) -> Derivations:
        return Derivations(
            manifest,
            self._settings.derived,
            memory_mb=self._settings.sandbox.memory_mb,
            store=self._store,
            publisher=self._publisher,
            catalog=self._catalog,
            types=self._types,
            deletions=self._deletions,
        )

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Connect, open the analyzers beside the health endpoints, drain at the end."""
        await ensure_topics(self._settings.kafka)
        await self._publisher.start()
        await self._store.ensure_bucket()
        await self._files.open()
        await self._attempts.open()
        self._keeper.start()
        self._deletion_feed.start()
        if self._needs_catalog:
            await self._catalog.start()
        opening = [asyncio.create_task(self._open(worker), name=f"open {worker.name}") for worker in self._workers]
        try:
            yield
        finally:
            for task in opening:
                task.cancel()
            await asyncio.gather(*opening, return_exceptions=True)
            await asyncio.gather(*(worker.close(self._settings.engine.drain_s) for worker in self._workers))
            await self._giving_way.stop()
            await self._deletion_feed.stop()
            await self._keeper.stop()
            await self._catalog.stop()
            await self._publisher.stop()
            self._attempts.close()
            self._store.close()

    async def _open(self, worker: Worker) -> None:
        if not await worker.open():
            self._workers.remove(worker)
            self.health.needs_no_more(f"analyzer {worker.name}")

    async def _forget(self, file_ids: Collection[UUID]) -> None:
        """Files were deleted: end what runs on them, keep nothing of them."""
        news = [each for each in file_ids if self._deletions.note(each)]
        if news:
            await self._files.forget(news)

    async def _check_analyzers(self) -> None:
        if not self._workers:
            raise NotReadyError("no analyzer could be loaded; the log says why")


def build_engines(
    settings: Settings, sandboxes: dict[str, Sandbox], loaded: list[tuple[plugins.Plugin, Analyzer[Any]]]
) -> list[Engine]:
    """An engine for each analyzer, all on one device. Takes their sandboxes out of the dict."""
    try:
        device = Device(choose(settings.device), memory_mb=settings.device_memory_mb)
    except RuntimeError as error:
        plugins.stop(plugins.WrongSettingsError(str(error)))
    return [Engine(analyzer, sandboxes.pop(plugin.name), device, settings.engine) for plugin, analyzer in loaded]


def main() -> None:
    """Read the settings, import the analyzers, serve until SIGTERM."""
    keep_large_blocks()
    settings = load(Settings)
    logs.install("inference", settings.log)
    tracing.install("inference", settings.traces)
    try:
        found = plugins.find(settings)
    except plugins.WrongSettingsError as error:
        plugins.stop(error)
    # Read by torch when an analyzer imports it. Its threads sleep while there is nothing to do: the children decode on
    # the same cores.
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.torch_threads))
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    processes = settings.sandbox_processes
    # Their first processes import the analyzers' modules while this one does: torch alone takes seconds.
    sandboxes = {
        plugin.name: Sandbox(
            plugin,
            folder=folder_of_own(settings.cache.path / "sandboxes", plugin.name),
            processes=processes,
            memory_mb=settings.sandbox.memory_mb,
        )
        for plugin in found
    }
    try:
        engines = build_engines(settings, sandboxes, plugins.load(found))
    finally:
        # Those of analyzers that stay out, or of all where the start ends here.
        for unused in sandboxes.values():
            unused.close()
    inference = Inference(settings, engines)
    app = build_app(title="Assay inference", routers=[], health=inference.health, lifespan=inference.lifespan)
    serve(app, settings.http)


if __name__ == "__main__":
    main()
