"""Connections to Kafka: settings to clients, topics made at start, and a publisher that carries the trace."""

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError, TopicAlreadyExistsError, for_code
from aiokafka.partitioner import DefaultPartitioner
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from assay.contracts import EVENTS, Event, encode, event_type
from assay.contracts.topics import ALL, Topic
from assay.shared import metrics, tracing
from assay.shared.settings import KafkaSettings
from assay.shared.topic_settings import add_missing

log = structlog.get_logger(__name__)

SEND_TIMEOUT_S = 30.0

AnyHeaders = Sequence[tuple[str, bytes | None]]
"""A dead letter keeps the headers that came, null ones too."""
KafkaRecord = tuple[bytes, bytes | None, AnyHeaders]
"""Key, value and headers."""
STOP_TIMEOUT_S = 3.0
VISIBLE_TIMEOUT_S = 20.0
VISIBLE_POLL_S = 0.05

_PARTITIONER = DefaultPartitioner()


def _ssl_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    if not settings.security_protocol.endswith("SSL"):
        return None
    return ssl.create_default_context(cafile=str(settings.ssl_ca_file) if settings.ssl_ca_file else None)


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Arguments that every aiokafka client takes."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers.split(","),
        "security_protocol": settings.security_protocol,
        "ssl_context": _ssl_context(settings),
    }
    if settings.security_protocol.startswith("SASL"):
        password = settings.sasl_password.get_secret_value() if settings.sasl_password else ""
        arguments |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username or "",
            "sasl_plain_password": password,
        }
    return arguments


def _security(settings: KafkaSettings) -> BaseSecurity:
    context = _ssl_context(settings)
    if not settings.security_protocol.startswith("SASL"):
        return BaseSecurity(ssl_context=context, use_ssl=context is not None)
    kinds = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    password = settings.sasl_password.get_secret_value() if settings.sasl_password else ""
    return kinds[settings.sasl_mechanism](
        settings.sasl_username or "", password, ssl_context=context, use_ssl=context is not None
    )


def build_broker(settings: KafkaSettings, *, client_id: str) -> KafkaBroker:
    """FastStream's broker, for subscribers. Events are published by `Publisher`, which keeps headers as they are."""
    return KafkaBroker(
        settings.bootstrap_servers.split(","),
        client_id=client_id,
        security=_security(settings),
        allow_auto_create_topics=False,
        apply_types=False,
        # The consumers drain by themselves before the broker is stopped; see consuming.py.
        graceful_timeout=5.0,
        logger=None,
    )


async def _partition_counts(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> dict[str, int]:
    """How many partitions a broker knows of each topic; 0 of one that it has not heard of."""
    described = {each["topic"]: each for each in await admin.describe_topics([topic.name for topic in topics])}
    return {topic.name: len(described[topic.name]["partitions"]) for topic in topics}


async def ensure_topics(settings: KafkaSettings, topics: Sequence[Topic] = ALL) -> None:
    """Make the topics that are not there yet, and give older ones the settings that they lack.

    Safe when several services start at once. Returns when a broker tells the partitions of all of them: the
    controller answers before the brokers have heard of what it made.

    Raises RuntimeError where an existing topic has another number of partitions: keys would change places.
    TimeoutError where no broker has heard of one after 20 s.
    """
    admin = AIOKafkaAdminClient(**connection(settings), client_id="assay-topics")
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        wanted = [
            NewTopic(topic.name, topic.partitions, settings.replication_factor, topic_configs=topic.config)
            for topic in topics
            if topic.name not in existing
        ]
        if wanted:
            response = await admin.create_topics(wanted)
            for name, code, *_ in response.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise RuntimeError(f"topic {name} cannot be made: {error.__name__}")
        async with asyncio.timeout(VISIBLE_TIMEOUT_S):
            found = await _partition_counts(admin, topics)
            while not all(found.values()):
                await asyncio.sleep(VISIBLE_POLL_S)
                found = await _partition_counts(admin, topics)
        for topic in topics:
            if found[topic.name] != topic.partitions:
                raise RuntimeError(
                    f"topic {topic.name} has {found[topic.name]} partitions, {topic.partitions} are needed"
                )
    finally:
        await admin.close()
    older = [topic for topic in topics if topic.name in existing and topic.config]
    if older:
        client = AIOKafkaClient(**connection(settings), client_id="assay-topics")
        try:
            await client.bootstrap()
            await add_missing(client, older)
        finally:
            await client.close()


async def _close(producer: AIOKafkaProducer) -> None:
    """Stop a producer. With the brokers away it would wait for them without end."""
    with suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await producer.stop()


class Publisher:
    """Sends events; an idempotent producer, acknowledged by all replicas."""

    def __init__(self, settings: KafkaSettings, *, source: str) -> None:
        """source: who speaks, such as `/assay/upload`; becomes `ce_source`."""
        self._source = source
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._is_broken = False
        self._renewing = asyncio.Lock()

    async def start(self) -> None:
        """Connect. Raises KafkaConnectionError where no broker answers."""
        self._producer = await self._connect()

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **connection(self._settings), acks="all", enable_idempotence=True, linger_ms=0, max_request_size=1024 * 1024
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def stop(self) -> None:
        """Send what is buffered and disconnect."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await _close(producer)

    async def publish(self, event: Event, *, topics: Sequence[str] | None = None) -> None:
        """Send one event to its topics (or to those named) and wait for the acknowledgement."""
        record = encode(event, source=self._source, carrier=tracing.carrier())
        for topic in topics or event.topics:
            await self.send(topic, record.key, record.value, record.headers)

    async def hand_over(self, event: Event, *, topic: str | None = None) -> "asyncio.Future[None]":
        """Send one event; the future ends with the acknowledgement.

        Events of one key that are handed over later are stored later, so only the last needs waiting for at once.
        topic: to be named where the event has several.
        """
        if topic is None:
            (topic,) = event.topics
        record = encode(event, source=self._source, carrier=tracing.carrier())
        return await self.enqueue(topic, record.key, record.value, record.headers)

    async def send(self, topic: str, key: bytes, value: bytes | None, headers: AnyHeaders) -> None:
        """Send one record and wait for the acknowledgement; a null value is a tombstone.

        Raises KafkaError or TimeoutError where it is not known to be stored.
        """
        await (await self.enqueue(topic, key, value, headers))

    async def enqueue(self, topic: str, key: bytes, value: bytes | None, headers: AnyHeaders) -> "asyncio.Future[None]":
        """Hand one record over; records of one partition are stored in the order of these calls.

        The future ends with the acknowledgement.
        """
        producer = await self._working_producer()
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                sent = await producer.send(topic, value=value, key=key, headers=list(headers))
        except KafkaError as error:
            self._notice(error)
            raise
        return self._acknowledged(topic, sent, [headers])

    async def partition_of(self, topic: str, key: bytes) -> int:
        """The partition that records with this key are stored in."""
        producer = await self._working_producer()
        partitions = sorted(await producer.partitions_for(topic))
        partition: int = _PARTITIONER(key, partitions, partitions)
        return partition

    async def send_batch(self, topic: str, partition: int, records: Sequence[KafkaRecord]) -> int:
        """Store as many of these records as go into one batch, in their order; all of those or none.

        Returns how many that were, one at least. Raises KafkaError or TimeoutError where it is not known.
        """
        producer = await self._working_producer()
        batch = producer.create_batch()
        count = 0
        for key, value, headers in records:
            if batch.append(timestamp=None, key=key, value=value, headers=list(headers)) is None:
                break
            count += 1
        batch.close()
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                sent = await producer.send_batch(batch, topic, partition=partition)
        except KafkaError as error:
            self._notice(error)
            raise
        await self._acknowledged(topic, sent, [headers for _, _, headers in records[:count]])
        return count

    async def _working_producer(self) -> AIOKafkaProducer:
        """The producer, or a new one: an idempotent producer that lost its sequence fails every later record."""
        if self._producer is not None and not self._is_broken:
            return self._producer
        async with self._renewing:
            if self._producer is None:
                raise KafkaError("the publisher is not started")
            if self._is_broken:
                broken, self._producer = self._producer, await self._connect()
                self._is_broken = False
                log.warning("producer_renewed")
                # What it still holds has failed, or was given up by whoever waited for it.
                await _close(broken)
            return self._producer

    def _notice(self, error: KafkaError) -> None:
        # These concern one record, or the producer recovers from them by itself.
        passing = isinstance(error, MessageSizeTooLargeError | KafkaTimeoutError) or error.retriable
        self._is_broken |= not passing

    def _acknowledged(
        self, topic: str, sent: "asyncio.Future[Any]", headers: Sequence[AnyHeaders]
    ) -> "asyncio.Future[None]":
        # Without a task: every event passes here.
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def expire() -> None:
            if not future.done():
                future.set_exception(TimeoutError(f"no acknowledgement from Kafka in {SEND_TIMEOUT_S:g} s"))

        def settle(done: "asyncio.Future[Any]") -> None:
            timer.cancel()
            error = asyncio.CancelledError() if done.cancelled() else done.exception()
            if error is None:
                for each in headers:
                    kind = event_type(each) or ""
                    metrics.PUBLISHED.labels(topic=topic, type=kind if kind in EVENTS else "other").inc()
            elif isinstance(error, KafkaError):
                self._notice(error)
            if future.done():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error if isinstance(error, Exception) else KafkaError("the producer was closed"))

        timer = loop.call_later(SEND_TIMEOUT_S, expire)
        sent.add_done_callback(settle)
        return future

    async def check(self) -> None:
        """Raise where the broker does not answer; for `/readyz`."""
        if self._producer is None:
            raise KafkaError("the publisher is not started")
        await self._producer.client.fetch_all_metadata()
