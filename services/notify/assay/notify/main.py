"""Composition root of the notify service: `python -m assay.notify.main`."""

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from assay.notify import metrics
from assay.notify.connection import StreamingProtocol
from assay.notify.fanout import Fanout
from assay.notify.heartbeats import Heartbeats
from assay.notify.position import TOPICS
from assay.notify.reader import End
from assay.notify.replay import Replay
from assay.notify.ring import Ring
from assay.notify.routes import build_router
from assay.notify.service import StreamService
from assay.notify.settings import Settings
from assay.notify.snapshots import Snapshots
from assay.notify.tailer import Tailer
from assay.notify.webhooks.wiring import Webhooks
from assay.shared import logs, tracing
from assay.shared.auth import Authenticator
from assay.shared.health import Health
from assay.shared.http import build_app, serve
from assay.shared.kafka import ensure_topics
from assay.shared.settings import load

log = structlog.get_logger(__name__)


def build(settings: Settings, ring: Ring, fanout: Fanout) -> FastAPI:
    """The app, from its settings."""
    tailer = Tailer(settings.kafka, settings.ring, ring, fanout)
    replay = Replay(settings.kafka, settings.replay)
    snapshots = Snapshots(settings.results_url)
    service = StreamService(
        ring=ring,
        fanout=fanout,
        tailer=tailer,
        replay=replay,
        snapshots=snapshots,
        reader=settings.reader,
    )
    authenticator = Authenticator(settings.auth)
    webhooks = Webhooks(
        settings.webhooks,
        kafka=settings.kafka,
        postgresql=settings.database,
        authenticator=authenticator,
        slot=settings.slot,
    )
    health = Health()
    health.needs("kafka", tailer.check)
    health.needs("results", snapshots.check)
    health.needs("webhooks", webhooks.check)
    health.moves("tailer", tailer.seconds_stalled)
    health.moves("webhooks", webhooks.seconds_stalled)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await ensure_topics(settings.kafka, TOPICS)
        await tailer.start()
        await webhooks.start()
        loop = asyncio.get_running_loop()
        metrics.TASKS.set_function(lambda: len(asyncio.all_tasks(loop)))
        log.info("notify_started", port=settings.http.port)
        yield
        await webhooks.stop()
        await tailer.stop()
        await replay.stop()
        await snapshots.stop()
        log.info("notify_stopped")

    heartbeats = Heartbeats(ring, settings.heartbeat)
    router = build_router(service, authenticator, heartbeats)
    app = build_app(title="Assay: notify", routers=[router, webhooks.router], health=health, lifespan=lifespan)
    if settings.cors.allowed:
        # Outermost: browsers ask beforehand without a token, and must be able to read refusals, too.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors.allowed,
            allow_credentials=True,
            allow_methods=["GET"],
            allow_headers=["Authorization", "Last-Event-ID", "Cache-Control"],
            expose_headers=["trace-id", "Retry-After"],
            max_age=3600,
        )
    return app


def main() -> None:
    """Run the service until SIGTERM."""
    settings = load(Settings)
    logs.install("notify", settings.log)
    tracing.install("notify", settings.traces)
    _allow_many_connections()
    ring = Ring(max_events=settings.ring.max_events, max_bytes=settings.ring.max_bytes)
    fanout = Fanout(ring)
    serve(
        build(settings, ring, fanout),
        settings.http,
        before_drain=lambda: fanout.end_all(End.SHUTDOWN),
        protocol=StreamingProtocol,
    )


def _allow_many_connections() -> None:
    """A shell's usual limit is 1,024 open files; the system's own is what a service may need."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
