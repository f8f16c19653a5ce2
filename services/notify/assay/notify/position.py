"""Where a reader is: one next offset for each topic and partition, and the short text that stands for it.

An SSE id is base64url of: one byte (format version, and whether the stream is finished), six bytes of a hash over the
topics' ids and the partitions that the id speaks of, then one variable-length integer for each of these. A stream of
one file needs three partitions only, since all events of a file in a topic have its id as their key.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from aiokafka import TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from assay.contracts.topics import ANALYSES, FILES, FILES_BULK, Topic
from assay.notify.errors import ForeignPositionError

TOPICS: tuple[Topic, ...] = (FILES, FILES_BULK, ANALYSES)

VERSION = 1
FINISHED = 0x80
HASH_BYTES = 6
MAX_ID_CHARACTERS = 1024

# Next offset of each slot; slots count all partitions of the first topic, then of the second, and so on.
Positions = tuple[int, ...]

_partition_of = DefaultPartitioner()


@dataclass(frozen=True, slots=True)
class Cursor:
    """A decoded id. Slots that the id does not speak of are 0."""

    positions: Positions
    finished: bool


@dataclass(frozen=True)
class Layout:
    """The partitions of the topics that are streamed, with the topics' ids."""

    ids: tuple[UUID, ...]

    @cached_property
    def partitions(self) -> tuple[TopicPartition, ...]:
        """The topic and partition of each slot."""
        return tuple(TopicPartition(topic.name, each) for topic in TOPICS for each in range(topic.partitions))

    @cached_property
    def slots(self) -> dict[TopicPartition, int]:
        """The slot of each topic and partition."""
        return {partition: slot for slot, partition in enumerate(self.partitions)}

    @cached_property
    def everything(self) -> "View":
        """The view of a stream over all files of an owner."""
        return View(self, tuple(range(len(self.partitions))))

    @cached_property
    def _views(self) -> "dict[tuple[int, ...], View]":
        return {}

    def of_file(self, file_id: UUID) -> "View":
        """The view of a stream of one file: the partitions that Kafka's default partitioner gives its id."""
        key = str(file_id).encode()
        slots = tuple(
            self.slots[TopicPartition(topic.name, _partition_of(key, range(topic.partitions), ()))] for topic in TOPICS
        )
        return self._views.get(slots) or self._views.setdefault(slots, View(self, slots))


class View:
    """The slots that an id speaks of."""

    def __init__(self, layout: Layout, slots: tuple[int, ...]) -> None:
        self._size = len(layout.partitions)
        self.slots = slots
        self.sees = frozenset(slots)
        named = b"".join(each.bytes for each in layout.ids) + bytes(slots)
        self._hash = hashlib.blake2b(named, digest_size=HASH_BYTES).digest()

    def encode(self, positions: Sequence[int], *, finished: bool = False) -> str:
        """The id that stands for these positions."""
        packed = bytearray((VERSION | (FINISHED if finished else 0),))
        packed += self._hash
        for slot in self.slots:
            rest = positions[slot]
            while rest > 0x7F:
                packed.append(0x80 | (rest & 0x7F))
                rest >>= 7
            packed.append(rest)
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()

    def decode(self, text: str) -> Cursor:
        """The positions that an id stands for. Raises ForeignPositionError for any id that is not of this view."""
        if not text or len(text) > MAX_ID_CHARACTERS or not text.isascii():
            raise ForeignPositionError("no id of ours")
        try:
            packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except binascii.Error as error:
            raise ForeignPositionError("not base64url") from error
        if len(packed) <= HASH_BYTES or packed[0] & ~FINISHED != VERSION or packed[1 : 1 + HASH_BYTES] != self._hash:
            raise ForeignPositionError("made for other topics, another stream or in another format")
        numbers = _integers(packed[1 + HASH_BYTES :])
        if len(numbers) != len(self.slots):
            raise ForeignPositionError("cut off or too long")
        positions = [0] * self._size
        for slot, number in zip(self.slots, numbers, strict=True):
            positions[slot] = number
        return Cursor(tuple(positions), bool(packed[0] & FINISHED))


def _integers(packed: bytes) -> list[int]:
    numbers: list[int] = []
    value = shift = 0
    for byte in packed:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte & 0x80:
            continue
        numbers.append(value)
        value = shift = 0
    if shift:
        raise ForeignPositionError("cut off")
    return numbers


def later(left: Positions, right: Positions) -> Positions:
    """The later one of two positions, slot by slot."""
    return tuple(map(max, left, right))
