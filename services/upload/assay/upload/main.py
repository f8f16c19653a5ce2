"""Composition root: settings, clients, services, app."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog
from fastapi import FastAPI

from assay.shared import database, http, logs, tracing
from assay.shared.auth import Authenticator
from assay.shared.health import Health
from assay.shared.kafka import Publisher, build_broker, ensure_topics
from assay.shared.media_types import MediaTypes
from assay.shared.objects import ObjectStore
from assay.shared.outbox import Outbox
from assay.shared.settings import load
from assay.upload import operating
from assay.upload.admission import completions
from assay.upload.admission import routes as admission_routes
from assay.upload.admission.queue import Queue, limits_of
from assay.upload.admission.quotas import Quotas
from assay.upload.admission.service import Admission
from assay.upload.announcing import Announcer
from assay.upload.backfill import Backfill
from assay.upload.catalog import Catalog
from assay.upload.consumers import build_consumer
from assay.upload.derived import DerivedFiles
from assay.upload.erasing import routes as erasing_routes
from assay.upload.erasing.background import BackgroundErasing
from assay.upload.erasing.service import Erasing
from assay.upload.first_look import FirstLook
from assay.upload.forms import FormReader
from assay.upload.idempotency.keys import IdempotencyKeys
from assay.upload.memory import Memory, return_large_blocks
from assay.upload.resumable import wiring
from assay.upload.resumable.body import Draining
from assay.upload.retirement import Retirement
from assay.upload.routes import build_router
from assay.upload.runs import RunService
from assay.upload.service import UploadService
from assay.upload.settings import Settings
from assay.upload.sweeper import Sweeper

log = structlog.get_logger(__name__)

NAME = "upload"
SOURCE = "/assay/upload"
MIGRATIONS = Path(__file__).with_name("migrations")


def build(settings: Settings, draining: Draining) -> FastAPI:
    """Everything wired; nothing is connected before the app starts."""
    engine = database.build_engine(settings.database, schema=NAME)
    transaction = database.transactions(engine)
    store = ObjectStore(settings.s3)
    publisher = Publisher(settings.kafka, source=SOURCE)
    outbox = Outbox(engine, publisher, schema=NAME, source=SOURCE)
    catalog = Catalog(settings.kafka)
    sweeper = Sweeper(transaction=transaction, store=store, lease=settings.intent_lease)
    quotas = Quotas(transaction=transaction, settings=settings.quota)
    queue = Queue(
        settings.kafka,
        analyzers=lambda: catalog.known,
        limits=limits_of(settings.limits.queue_age, settings.limits.bulk_queue_age),
    )
    admission = Admission(quotas=quotas, queue=queue)
    keys = IdempotencyKeys(transaction=transaction, lease=settings.intent_lease)
    media_types = MediaTypes()
    memory = Memory()
    first_look = FirstLook(catalog=catalog, media_types=media_types, limits=settings.limits)
    announcer = Announcer(
        transaction=transaction, outbox=outbox, catalog=catalog, quotas=quotas, run_deadline=settings.run_deadline
    )
    service = UploadService(
        transaction=transaction,
        announcer=announcer,
        reader=FormReader(
            transaction=transaction,
            store=store,
            catalog=catalog,
            media_types=media_types,
            first_look=first_look,
            sweeper=sweeper,
            admission=admission,
            memory=memory,
            limits=settings.limits,
        ),
        sweeper=sweeper,
        keys=keys,
        admission=admission,
    )
    authenticator = Authenticator(settings.auth)
    resumable = wiring.build(
        transaction=transaction,
        store=store,
        catalog=catalog,
        announcer=announcer,
        first_look=first_look,
        media_types=media_types,
        draining=draining,
        admission=admission,
        memory=memory,
        authenticator=authenticator,
        settings=settings,
    )
    erasing = Erasing(
        transaction=transaction,
        outbox=outbox,
        store=store,
        forms=sweeper,
        resumable=resumable.owners,
        lease=settings.intent_lease,
    )
    eraser = BackgroundErasing(erasing, retention=settings.retention)
    router = build_router(
        service=service,
        admission=admission,
        authenticator=authenticator,
        limits=settings.limits,
        public_url=settings.public_url,
    )
    limits = admission_routes.build_router(
        quotas=quotas, queue=queue, catalog=catalog, authenticator=authenticator, settings=settings
    )
    operations = operating.build_router(
        runs=RunService(
            transaction=transaction,
            outbox=outbox,
            catalog=catalog,
            admission=admission,
            quotas=quotas,
            run_deadline=settings.run_deadline,
        ),
        backfill=Backfill(transaction=transaction, outbox=outbox, catalog=catalog, run_deadline=settings.run_deadline),
        retirement=Retirement(catalog=catalog, publisher=publisher),
        catalog=catalog,
        authenticator=authenticator,
        public_url=settings.public_url,
    )
    erasure = erasing_routes.build_router(erasing=erasing, authenticator=authenticator)
    broker = build_broker(settings.kafka, client_id=f"assay-{NAME}-{settings.slot}")
    consumer = build_consumer(
        broker,
        derived=DerivedFiles(transaction=transaction, catalog=catalog, erasing=erasing),
        publisher=publisher,
    )
    completions_consumer = completions.build_consumer(broker, transaction=transaction, publisher=publisher)
    health = Health()
    health.moves("consumer", consumer.seconds_stalled)
    health.moves("completions", completions_consumer.seconds_stalled)
    health.needs("kafka", publisher.check)
    health.needs("s3", store.check)
    health.needs("postgresql", lambda: database.check(engine))
    health.needs("catalog", catalog.check)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(engine.dispose)
            stack.callback(store.close)
            await database.migrate(engine, schema=NAME, scripts=MIGRATIONS)
            await ensure_topics(settings.kafka)
            await store.ensure_bucket()
            for part in (publisher, outbox, catalog, sweeper, keys, queue, eraser, resumable.sweeper):
                await part.start()
                stack.push_async_callback(part.stop)
            stack.push_async_callback(broker.stop)
            for each in (consumer, completions_consumer):
                await each.start()
                stack.push_async_callback(each.stop)
            await broker.start()
            log.info("started", port=settings.http.port, slot=settings.slot)
            yield
            log.info("stopping")

    return http.build_app(
        title="Assay upload",
        routers=[router, limits, operations, erasure, *resumable.routers],
        health=health,
        lifespan=lifespan,
    )


def main() -> None:
    """Run the service until SIGTERM."""
    settings = load(Settings)
    return_large_blocks()
    logs.install(NAME, settings.log)
    tracing.install(NAME, settings.traces)
    draining = Draining()
    http.serve(build(settings, draining), settings.http, before_drain=draining.begin)


if __name__ == "__main__":
    main()
