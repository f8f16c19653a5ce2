"""What rides in a commit beside the offset: which records above it are done, and who would be to blame for a crash.

A Kafka commit has a string of at most 4096 bytes. Ours is base64 of: version, flags, author, then numbers of variable
length, each the distance from the one before. Metadata of another version, or of anybody else, reads as none.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from assay.shared.offsets import Range

MAX_CHARACTERS = 4096
VERSION = 1
_MAX_BYTES = MAX_CHARACTERS // 4 * 3
_MAX_BYTES_OF_OFFSETS = 900
"""For suspects, and again for those that have started: the rest is for ranges."""
_IS_CLEAN, _HAS_ALONE = 1, 2


@dataclass(frozen=True, slots=True)
class Note:
    """What is said about one partition at the time of a commit."""

    author: int
    """Which process wrote it; random, 64 bits."""
    next: int
    """The highest offset taken, plus one."""
    is_clean: bool = False
    """Nothing was running any more, or its work goes on elsewhere: what is unfinished is not suspect."""
    alone: int | None = None
    """The record that runs alone in its process."""
    suspects: Mapping[int, int] = field(default_factory=dict)
    """Records that may have killed a process, with the number of times that each was alone when it died."""
    started: tuple[int, ...] = ()
    """Records that a handler has; rising."""
    finished: tuple[Range, ...] = ()
    """Rising ranges above the committed offset that are done."""


def encode(note: Note, position: int) -> tuple[str, bool]:
    """The metadata of a commit at `position`; False with it where not everything found room.

    Finished ranges that are left out, the highest, would be run again after a crash.
    """
    out = bytearray((VERSION, _IS_CLEAN * note.is_clean | _HAS_ALONE * (note.alone is not None)))
    out += note.author.to_bytes(8, "big")
    _put(out, note.next - position)
    if note.alone is not None:
        _put(out, note.alone - position)
    fits = _put_offsets(out, sorted(note.suspects), position, note.suspects)
    fits &= _put_offsets(out, note.started, position)
    fits &= _put_ranges(out, note.finished, position)
    return b64encode(out).decode("ascii"), fits


def _put_offsets(
    out: bytearray, offsets: Sequence[int], position: int, values: Mapping[int, int] | None = None
) -> bool:
    """Rising offsets, as many as their part of the room takes, each with its value if there are any."""
    body = bytearray()
    count, at = 0, position
    for offset in offsets:
        if len(body) > _MAX_BYTES_OF_OFFSETS:
            break
        _put(body, offset - at)
        if values is not None:
            _put(body, values[offset])
        at = offset
        count += 1
    _put(out, count)
    out += body
    return count == len(offsets)


def _put_ranges(out: bytearray, ranges: Iterable[Range], position: int) -> bool:
    at = position
    for first, end in ranges:
        length = len(out)
        _put(out, first - at)
        _put(out, end - first)
        if len(out) > _MAX_BYTES:
            del out[length:]
            return False
        at = end
    return True


def decode(text: str | None, position: int) -> Note | None:
    """The note in a commit at `position`; None where there is none that we can read."""
    try:
        data = b64decode(text or "", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(data) < 11 or data[0] != VERSION:
        return None
    try:
        return _read(data, position)
    except (IndexError, ValueError):
        return None


def _read(data: bytes, position: int) -> Note:
    numbers = _Numbers(data, 10)
    following = position + numbers.get()
    alone = position + numbers.get() if data[1] & _HAS_ALONE else None
    suspects: dict[int, int] = {}
    at = position
    for _ in range(numbers.get()):
        at += numbers.get()
        suspects[at] = numbers.get()
    started: list[int] = []
    at = position
    for _ in range(numbers.get()):
        at += numbers.get()
        started.append(at)
    finished: list[Range] = []
    at = position
    while numbers.are_left:
        first = at + numbers.get()
        at = first + numbers.get()
        finished.append((first, at))
    return Note(
        author=int.from_bytes(data[2:10], "big"),
        next=following,
        is_clean=bool(data[1] & _IS_CLEAN),
        alone=alone,
        suspects=suspects,
        started=tuple(started),
        finished=tuple(finished),
    )


def _put(out: bytearray, number: int) -> None:
    # Seven bits a byte, the lowest first, as in Protocol Buffers.
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


class _Numbers:
    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    @property
    def are_left(self) -> bool:
        return self._at < len(self._data)

    def get(self) -> int:
        number = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7
