"""The analyzers at work: the topic `assay.analyzers` as a table in memory."""

import asyncio
from collections.abc import Callable, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from assay.contracts import AnalyzerManifest, AnalyzerRegistered, MalformedEventError, decode
from assay.contracts.topics import ANALYZERS
from assay.shared.kafka import connection
from assay.shared.problems import UnavailableError
from assay.shared.settings import KafkaSettings
from assay.shared.tasks import end

log = structlog.get_logger(__name__)

RETRY_S = 1.0
POLL_MS = 500


class AnalyzerTable:
    """Reads the topic from its beginning, without a group, and follows it. Later records of a name win."""

    def __init__(self, settings: KafkaSettings, *, client_id: str) -> None:
        self._settings = settings
        self._client_id = client_id
        self._table: dict[str, AnalyzerManifest] = {}
        self._is_complete = False
        # Set and replaced at each change: whoever waits looks again.
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to read. The table counts once it was read to the end; see `check` and `until_read`."""
        self._task = asyncio.create_task(self._follow_for_ever(), name="catalog")

    async def stop(self) -> None:
        """Stop reading."""
        await end(self._task)

    async def check(self) -> None:
        """Raise UnavailableError where the topic was not yet read to its end; for `/readyz`."""
        if not self._is_complete:
            raise UnavailableError("The list of analyzers is still being read. Try again in a few seconds.")

    async def until_read(self) -> None:
        """Wait until the topic was read to its end once."""
        await self.until(lambda: self._is_complete)

    async def until(self, fact: Callable[[], bool]) -> None:
        """Wait until the fact, asked again after each change, is true."""
        while not fact():
            await self._changed.wait()

    @property
    def known(self) -> Mapping[str, AnalyzerManifest]:
        """The analyzers known now, by name; empty is an answer too."""
        return self._table

    async def _follow_for_ever(self) -> None:
        while True:
            try:
                await self._follow()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # the broker is away: what is known stays, the reading begins anew
                log.warning("catalog_reading_broken", reason=str(error) or type(error).__name__)
                await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            **connection(self._settings),
            client_id=self._client_id,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            partitions = [TopicPartition(ANALYZERS.name, number) for number in range(ANALYZERS.partitions)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            ends = await consumer.end_offsets(partitions)
            # A table of its own until it is complete: an analyzer retired while we were away must not stay.
            table: dict[str, AnalyzerManifest] = {}
            while True:
                if table is not self._table and all(
                    [await consumer.position(each) >= ends[each] for each in partitions]
                ):
                    self._table = table
                    self._is_complete = True
                    self._tell()
                    log.info("catalog_read", analyzers=sorted(table))
                for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for record in records:
                        _apply(table, record)
                self._tell()
        finally:
            await consumer.stop()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _apply(table: dict[str, AnalyzerManifest], record: "ConsumerRecord[bytes, bytes | None]") -> None:
    name = (record.key or b"").decode("utf-8", "replace")
    if record.value is None:
        table.pop(name, None)
        return
    try:
        event = decode(record.value, record.headers)
    except MalformedEventError as error:
        log.warning("catalog_record_skipped", analyzer=name, reason=str(error))
        return
    if isinstance(event, AnalyzerRegistered):
        table[event.manifest.name] = event.manifest
