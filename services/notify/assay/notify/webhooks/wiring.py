"""Webhooks as one part of notify: what they are made of, and how they begin and end.

Streams never wait for them: where PostgreSQL or Kafka is away at the start, they begin once it is back.
"""

import asyncio
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path

import structlog
from aiokafka.errors import KafkaError
from fastapi import APIRouter
from faststream.kafka import KafkaBroker

from assay.notify.webhooks.addresses import Addresses, SystemResolver, is_public
from assay.notify.webhooks.consumers import build_consumer
from assay.notify.webhooks.posting import Poster, trust
from assay.notify.webhooks.queue import Queue
from assay.notify.webhooks.recording import Recorder
from assay.notify.webhooks.retention import Retention
from assay.notify.webhooks.retrying import Patience
from assay.notify.webhooks.routes import build_router
from assay.notify.webhooks.sender import Sender
from assay.notify.webhooks.service import WebhookService
from assay.notify.webhooks.settings import WebhookSettings
from assay.notify.webhooks.tables import SCHEMA
from assay.notify.webhooks.targets import Targets
from assay.shared import backoff, database
from assay.shared.auth import Authenticator
from assay.shared.consuming import ParallelConsumer
from assay.shared.kafka import Publisher, build_broker, ensure_topics
from assay.shared.settings import DatabaseSettings, KafkaSettings
from assay.shared.tasks import end

log = structlog.get_logger(__name__)

SOURCE = "/assay/notify"
MIGRATIONS = Path(__file__).parents[1] / "migrations"
# Beyond an attempt's own time: until then the process that has a delivery may still say what came of it.
LEASE_BEYOND = timedelta(seconds=15)
# Whoever stops while the group waits for a member that died would wait with it. The group notices who has gone.
LEAVE_S = 3.0


class Webhooks:
    """Everything wired; nothing is connected before `start`."""

    def __init__(
        self,
        settings: WebhookSettings,
        *,
        kafka: KafkaSettings,
        postgresql: DatabaseSettings,
        authenticator: Authenticator,
        slot: int,
    ) -> None:
        self._kafka = kafka
        self._engine = database.build_engine(postgresql, schema=SCHEMA)
        transaction = database.driver_transactions(self._engine)
        self._resolver = SystemResolver()
        addresses = Addresses(self._resolver, is_allowed=is_public if not settings.allow_private else _any)
        self._poster = Poster(
            addresses,
            context=trust(settings.ssl_ca_file),
            timeout_s=settings.timeout,
            connections=settings.concurrency,
        )
        patience = Patience(settings.first_retry, settings.longest_retry, settings.give_up_after)
        queue = Queue(transaction, patience, lease=timedelta(seconds=settings.timeout) + LEASE_BEYOND)
        self._sender = Sender(queue, self._poster, concurrency=settings.concurrency, per_webhook=settings.per_webhook)
        self._publisher = Publisher(kafka, source=SOURCE)
        self._recorder = Recorder(transaction, retention=settings.retention)
        self._client_id = f"assay-notify-webhooks-{slot}"
        self._consumer: ParallelConsumer | None = None
        self._retention = Retention(transaction, kept=settings.retention)
        service = WebhookService(
            transaction,
            Targets(addresses, allow_http=settings.allow_http),
            max_per_owner=settings.max_per_owner,
            old_secret=settings.old_secret,
            news=self._sender.news,
        )
        self._running = AsyncExitStack()
        self._beginning: asyncio.Task[None] | None = None
        self.router: APIRouter = build_router(service, authenticator)

    async def start(self) -> None:
        """Begin, in the background."""
        self._beginning = asyncio.create_task(self._begin_in_the_end(), name="begin webhooks")

    async def stop(self) -> None:
        """Read no more, send what can still be sent, disconnect."""
        await end(self._beginning)
        await self._running.aclose()
        await self._poster.close()
        self._resolver.close()
        await self._engine.dispose()

    async def check(self) -> None:
        """Raise where webhooks do not work; for `/readyz`."""
        await database.check(self._engine)
        if self._consumer is None:
            raise RuntimeError("not begun yet")
        # Partitions may come late, after another member's death; nothing that is asked here waits for them.
        with suppress(KafkaError):
            await self._consumer.check()

    def seconds_stalled(self) -> float:
        """For `/healthz`."""
        return 0.0 if self._consumer is None else self._consumer.seconds_stalled()

    async def _begin_in_the_end(self) -> None:
        attempt = 0
        while True:
            try:
                await self._begin()
                return
            except Exception as error:  # whatever a part that is away makes its client raise
                attempt += 1
                log.warning("webhooks_not_begun", reason=str(error) or type(error).__name__)
                await asyncio.sleep(backoff.seconds(attempt))

    async def _begin(self) -> None:
        async with AsyncExitStack() as begun:
            await database.migrate(self._engine, schema=SCHEMA, scripts=MIGRATIONS)
            await ensure_topics(self._kafka)
            for part in (self._publisher, self._sender, self._retention):
                await part.start()
                begun.push_async_callback(part.stop)
            broker = build_broker(self._kafka, client_id=self._client_id)
            consumer = build_consumer(
                broker, recorder=self._recorder, publisher=self._publisher, news=self._sender.news
            )
            begun.push_async_callback(_leave, broker)
            await consumer.start()
            begun.push_async_callback(consumer.stop)
            await broker.start()
            self._consumer = consumer
            self._running = begun.pop_all()
            log.info("webhooks_started")


async def _leave(broker: KafkaBroker) -> None:
    try:
        async with asyncio.timeout(LEAVE_S):
            await broker.stop()
    except TimeoutError:
        log.warning("webhooks_left_late")


def _any(_: object) -> bool:
    """With `allow_private`."""
    return True
