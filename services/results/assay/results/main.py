"""Composition root: settings, clients, services, app. Run by `python -m assay.results.main`."""

import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil
import structlog
from fastapi import FastAPI

from assay.results import feedback_routes, routes, session, stack
from assay.results.arrivals import Arrivals
from assay.results.consumers import TOPICS, build_consumer
from assay.results.counting import Counting
from assay.results.dead_letters import DeadLetters
from assay.results.exporting import Exports
from assay.results.feedback import Feedback
from assay.results.partitions import Partitions
from assay.results.positions import Positions
from assay.results.reading import Library
from assay.results.redrive import Redrive
from assay.results.replays import Replays
from assay.results.requesting import RunRequests
from assay.results.service import RunService
from assay.results.settings import Settings
from assay.results.standing import Standing
from assay.results.summing import Summing
from assay.results.sweeper import Sweeper
from assay.results.tables import SCHEMA
from assay.results.views import Views
from assay.shared import database, http, logs, tracing
from assay.shared.auth import Authenticator
from assay.shared.consuming import GivingWay
from assay.shared.health import Health
from assay.shared.kafka import Publisher, build_broker, ensure_topics
from assay.shared.objects import ObjectStore
from assay.shared.outbox import Outbox
from assay.shared.settings import load

log = structlog.get_logger(__name__)

SERVICE = "results"
SOURCE = "/assay/results"
OUTBOX_BATCH = 400
"""All that is in it are reports and ends of analyses, and all of them go in their order."""
EXPORTS_AT_ONCE = 4
EXPORT_WAIT_S = 5.0
MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: Settings) -> FastAPI:
    """Wire everything; nothing is connected before the app's lifespan begins."""
    engine = database.build_engine(settings.database, schema=SCHEMA)
    transaction = database.transactions(engine)
    publisher = Publisher(settings.kafka, source=SOURCE)
    arrivals = Arrivals()
    outbox = Outbox(engine, publisher, schema=SCHEMA, source=SOURCE, batch=OUTBOX_BATCH)
    service = RunService(transaction=database.driver_transactions(engine), outbox=outbox, arrivals=arrivals)
    positions = Positions(transaction, settings.kafka, TOPICS)
    broker = build_broker(settings.kafka, client_id=f"assay-{SERVICE}-{settings.slot}")
    giving_way = GivingWay(lambda: psutil.cpu_percent() / 100)
    consumer = build_consumer(
        broker,
        service=service,
        positions=positions,
        publisher=publisher,
        giving_way=giving_way,
        slot=settings.slot,
        window=settings.window,
    )
    partitions = Partitions(database.driver_transactions(engine), keep_months=settings.keep_analyses_months)
    sweeper = Sweeper(service, every_s=settings.sweep_seconds)
    summing = Summing(database.driver_transactions(engine))
    objects = ObjectStore(settings.s3)
    authenticator = Authenticator(settings.auth)
    # Connections of their own: who reads does not wait behind a backfill that writes.
    reading = database.build_engine(settings.database, schema=SCHEMA)
    views = Views(settings.public_url)
    standing = Standing(settings.kafka)
    library = Library(engine=reading, views=views, arrivals=arrivals, standing=standing)
    # What may be some seconds behind comes from a replica, where there is one. All else must see what was just written,
    # or goes with Kafka positions.
    elsewhere = settings.database
    if settings.replica_url is not None:
        elsewhere = elsewhere.model_copy(update={"url": settings.replica_url})
    reporting = reading if elsewhere is settings.database else database.build_engine(elsewhere, schema=SCHEMA)
    seeing = database.driver_transactions(reporting, isolation="repeatable_read", readonly=True)
    counting = Counting(seeing)
    # And a few for exports, which are long.
    exporting = database.build_engine(
        elsewhere.model_copy(update={"pool_size": EXPORTS_AT_ONCE}), schema=SCHEMA, wait_s=EXPORT_WAIT_S
    )
    exports = Exports(
        seeing=database.driver_transactions(exporting, isolation="repeatable_read", readonly=True), views=views
    )
    feedback = Feedback(
        transaction=database.driver_transactions(reading),
        seeing=seeing,
        outbox=outbox,
    )

    requests = RunRequests(settings.peers.get("upload", []))
    redrive = Redrive(
        letters=DeadLetters(settings.kafka), replays=Replays(transaction), requests=requests, publisher=publisher
    )
    peers = stack.Peers(settings.peers)
    handbook = stack.Handbook(peers, public_url=settings.public_url)

    health = Health()
    health.needs("postgresql", lambda: database.check(engine))
    if reporting is not reading:
        health.needs("postgresql replica", lambda: database.check(reporting))
    health.needs("kafka", publisher.check)
    health.needs("kafka group", consumer.check)
    health.needs("s3", objects.check)
    health.moves("consumer", consumer.seconds_stalled)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as closing:
            closing.push_async_callback(engine.dispose)
            closing.push_async_callback(reading.dispose)
            closing.push_async_callback(exporting.dispose)
            closing.push_async_callback(reporting.dispose)
            closing.callback(objects.close)
            closing.push_async_callback(peers.close)
            closing.push_async_callback(requests.close)
            closing.push_async_callback(standing.close)
            await database.migrate(engine, schema=SCHEMA, scripts=MIGRATIONS)
            await partitions.start()
            closing.push_async_callback(partitions.stop)
            await ensure_topics(settings.kafka)
            # Stopped in the reverse order: the consumer drains, then what it wrote is sent, then Kafka is left.
            await publisher.start()
            closing.push_async_callback(publisher.stop)
            closing.push_async_callback(broker.stop)
            await outbox.start()
            closing.push_async_callback(outbox.stop)
            await sweeper.start()
            closing.push_async_callback(sweeper.stop)
            closing.push_async_callback(giving_way.stop)
            await summing.start()
            closing.push_async_callback(summing.stop)
            await consumer.start()
            closing.push_async_callback(consumer.stop)
            await broker.start()
            log.info("started", settings=settings.model_dump(mode="json"))
            yield
            log.info("stopping")

    return http.build_app(
        title="Assay results",
        routers=[
            routes.build_router(
                authenticator, library=library, counting=counting, exports=exports, objects=objects, redrive=redrive
            ),
            feedback_routes.build_router(authenticator, library=library, feedback=feedback),
            routes.build_internal_router(authenticator, library=library),
            session.build_router(authenticator, public_url=settings.public_url),
            stack.build_router(health=health, peers=peers, handbook=handbook),
        ],
        health=health,
        lifespan=lifespan,
    )


def _collect_seldom() -> None:
    """Let Python look for circular garbage after 50,000 new objects, not after 700.

    Some ten thousands of records wait in memory where there is a backlog; looking through all of them again and again
    took two fifths of the time. There is hardly any garbage of this kind.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def main() -> None:
    _collect_seldom()
    settings = load(Settings)
    logs.install(SERVICE, settings.log)
    tracing.install(SERVICE, settings.traces)
    http.serve(build(settings), settings.http)


if __name__ == "__main__":
    main()
