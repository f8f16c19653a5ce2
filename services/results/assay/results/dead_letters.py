"""Reads `assay.dead-letters` for operators, straight from the topic, without a group."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from assay.contracts.topics import ALL, DEAD_LETTERS
from assay.results.errors import BadCursorError, UnknownDeadLetterError
from assay.results.letters import Letter, Place
from assay.shared.kafka import connection
from assay.shared.problems import UnavailableError
from assay.shared.settings import KafkaSettings

SCAN_PER_PARTITION = 500
TIMEOUT_S = 15.0
PARTITIONS = {topic.name: topic.partitions for topic in ALL}


@dataclass(frozen=True, slots=True)
class Page:
    """Dead letters, the newest first, without their bodies. `cursor`: where older ones begin; None at the end."""

    letters: list[Letter]
    scanned: int
    cursor: str | None


class DeadLetters:
    """The topic, read from its end backwards."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    async def newest(self, limit: int, *, group: str | None = None, cursor: str | None = None) -> Page:
        """At most `limit` letters, of one group where it is named, newest first.

        At most 500 records of each partition are looked at: a page may have fewer letters, or none, and still a cursor.
        Raises BadCursorError, and UnavailableError after 15 s.
        """
        upper = None if cursor is None else _read_cursor(cursor)
        partitions = [TopicPartition(DEAD_LETTERS.name, number) for number in range(DEAD_LETTERS.partitions)]
        async with self._reading(partitions) as consumer:
            begins = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
            if upper is not None:
                ends = {each: max(begins[each], min(ends[each], upper[each.partition])) for each in partitions}
            starts = {each: max(begins[each], ends[each] - SCAN_PER_PARTITION) for each in partitions}
            known: dict[TopicPartition, list[Letter]] = {each: [] for each in partitions}
            async for partition, record in _stretch(consumer, starts, ends):
                # Without its body: so many of them may be large.
                known[partition].append(_letter(record, None))
        letters: list[Letter] = []
        scanned = 0
        while len(letters) < limit and all(known[each] or starts[each] == begins[each] for each in partitions):
            # Where a partition was read to its window's beginning, what lies before it may be newer than the others.
            newest = max((known[each][-1] for each in partitions if known[each]), key=_age, default=None)
            if newest is None:
                break
            known[TopicPartition(DEAD_LETTERS.name, newest.partition)].pop()
            scanned += 1
            if group in (None, newest.group):
                letters.append(newest)
        left = {each: known[each][-1].offset + 1 if known[each] else starts[each] for each in partitions}
        is_end = all(left[each] == begins[each] for each in partitions)
        return Page(letters, scanned, None if is_end else ".".join(str(left[each]) for each in partitions))

    async def letter(self, partition: int, offset: int) -> Letter:
        """One dead letter with its body. Raises UnknownDeadLetterError, UnavailableError.

        A body that had no room in it is fetched from where the record came from.
        """
        record = await self._record(Place(DEAD_LETTERS.name, partition, offset))
        if record is None:
            raise UnknownDeadLetterError(
                f"There is no dead letter {partition}/{offset}: `assay dead-letters list` tells which there are. "
                "They are kept for 30 days."
            )
        letter = _letter(record, record.value)
        if letter.value == b"" and letter.place is not None:
            original = await self._record(letter.place)
            if original is not None and original.value:
                return _letter(record, original.value)
        return letter

    async def _record(self, place: Place) -> ConsumerRecord | None:
        if place.partition >= PARTITIONS[place.topic]:
            return None
        partition = TopicPartition(place.topic, place.partition)
        async with self._reading([partition]) as consumer:
            begins = await consumer.beginning_offsets([partition])
            ends = await consumer.end_offsets([partition])
            if not begins[partition] <= place.offset < ends[partition]:
                return None
            one = _stretch(consumer, {partition: place.offset}, {partition: place.offset + 1})
            return next((record for _, record in [each async for each in one]), None)

    @asynccontextmanager
    async def _reading(self, partitions: list[TopicPartition]) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            **connection(self._settings),
            client_id="assay-dead-letters",
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await consumer.start()
                consumer.assign(partitions)
                yield consumer
        except (TimeoutError, KafkaError) as error:
            raise UnavailableError("Kafka did not answer in time. Try again in a minute.") from error
        finally:
            await consumer.stop()


async def _stretch(
    consumer: AIOKafkaConsumer, starts: dict[TopicPartition, int], ends: dict[TopicPartition, int]
) -> AsyncIterator[tuple[TopicPartition, ConsumerRecord]]:
    """The records from the starts up to the ends, those of each partition in their order."""
    for each, start in starts.items():
        consumer.seek(each, start)
    # Positions, not records, say when the end is reached: the last offsets may hold none.
    while any([await consumer.position(each) < ends[each] for each in starts]):
        for partition, records in (await consumer.getmany(timeout_ms=200)).items():
            for record in records:
                if record.offset < ends[partition]:
                    yield partition, record


def _letter(record: ConsumerRecord, value: bytes | None) -> Letter:
    return Letter(
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp,
        key=record.key or b"",
        value=value,
        headers=tuple(record.headers),
    )


def _age(letter: Letter) -> tuple[int, int, int]:
    return letter.timestamp_ms, letter.partition, letter.offset


def _read_cursor(cursor: str) -> list[int]:
    parts = cursor.split(".")
    if len(parts) != DEAD_LETTERS.partitions or not all(re.fullmatch(r"[0-9]{1,18}", part) for part in parts):
        raise BadCursorError("Send `cursor` as `next_cursor` of the page before gave it, or leave it out.")
    return [int(part) for part in parts]
