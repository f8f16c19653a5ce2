"""The analyzers at work: the topic `assay.analyzers` as a table in memory."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from assay.contracts import AnalyzerManifest, AnalyzerRegistered, MalformedEventError, decode
from assay.contracts.topics import ANALYZERS
from assay.shared.kafka import connection
from assay.shared.problems import UnavailableError
from assay.shared.settings import KafkaSettings
from assay.upload import metrics
from assay.upload.errors import NoAnalyzersError, UnknownAnalyzerError

log = structlog.get_logger(__name__)

RETRY_S = 1.0
POLL_MS = 500
GONE_S = 10.0


class Catalog:
    """Reads the topic from its beginning, without a group, and follows it. Later records of a name win."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._table: dict[str, AnalyzerManifest] = {}
        self._is_complete = False
        # Set and replaced at each change: whoever waits looks again.
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to read. The catalog answers once it has read to the end; see `check`."""
        self._task = asyncio.create_task(self._follow_for_ever(), name="catalog")

    async def stop(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def check(self) -> None:
        """Raise where the topic was not yet read to its end; for `/readyz`."""
        if not self._is_complete:
            raise UnavailableError("The list of analyzers is still being read. Try again in a few seconds.")

    async def analyzers(self) -> Mapping[str, AnalyzerManifest]:
        """The analyzers by name. Raises UnavailableError before the topic was read, NoAnalyzersError without any."""
        await self.check()
        if not self._table:
            raise NoAnalyzersError(
                "No analyzer has registered yet, so nobody would examine the file. Start the inference service "
                "and try again."
            )
        return self._table

    @property
    def known(self) -> Mapping[str, AnalyzerManifest]:
        """The analyzers known now; empty is an answer too."""
        return self._table

    def of_name(self, name: str) -> AnalyzerManifest:
        """One analyzer. Raises UnknownAnalyzerError."""
        manifest = self._table.get(name)
        if manifest is None:
            raise UnknownAnalyzerError(
                f"There is no analyzer {name[:64]}. There are: {', '.join(sorted(self._table)) or 'none'}."
            )
        return manifest

    async def until_gone(self, manifest: AnalyzerManifest) -> None:
        """Wait until this registration is no longer in the table. Raises UnavailableError after 10 s."""
        try:
            async with asyncio.timeout(GONE_S):
                while self._table.get(manifest.name) is manifest:
                    await self._changed.wait()
        except TimeoutError as error:
            raise UnavailableError(
                "It is retired, but this service has not read that yet. New plans may name it for a while."
            ) from error

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
            client_id="assay-upload-catalog",
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
                    log.info("catalog_read", analyzers=sorted(table))
                for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for record in records:
                        _apply(table, record)
                self._changed.set()
                self._changed = asyncio.Event()
                metrics.ANALYZERS.set(len(self._table))
        finally:
            await consumer.stop()


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
