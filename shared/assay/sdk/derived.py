"""Files found inside a file: what an analyzer hands over, and how much of it there may be."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pickle import PickleBuffer
from typing import Any, Protocol, SupportsIndex

from assay.contracts.verdicts import Evidence

CHUNK = 1 << 20
READ_FACTOR = 2

TOO_MANY = "too many"
TOO_LARGE = "too large"
UNREADABLE = "unreadable"
_BECAUSE = {
    TOO_MANY: "more than may be taken out of this file",
    TOO_LARGE: "larger than may be taken out of this file",
    UNREADABLE: "could not be read",
}


@dataclass(frozen=True, slots=True)
class Room:
    """How much an analyzer may still take out of a file.

    files  at most so many
    bytes  of all of them together, unpacked

    Without files there is no room at all: the file lies as deep inside others as is looked, or these others have used
    up what may be taken out of the whole.
    """

    files: int = 0
    bytes: int = 0


NO_ROOM = Room()


@dataclass(frozen=True, slots=True)
class DerivedFile:
    """The bytes of a file that was found inside another. It has no name: names travel with uploads only.

    Made in `prepare`, they reach the worker in shared memory, of whichever type they are, and are a `memoryview` there;
    only where all buffers of a file's result together are under 64 KiB they travel in the pickle.
    """

    data: "bytes | bytearray | memoryview"

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        # Pickle writes bytes and bytearrays into its stream; only such a buffer is handed out beside it.
        return DerivedFile, (PickleBuffer(self.data) if int(protocol) >= 5 else bytes(self.data),)


class Readable(Protocol):
    """What an archive gives for a member: an open binary file."""

    def read(self, size: int, /) -> bytes: ...


class Members:
    """Collects what is found inside a file, within the room that there is, and says what was left out.

        members = Members(media.room)
        for number, info in enumerate(infos):
            if members.is_full:
                members.leave_out(len(infos) - number)
                break
            with archive.open(info) as stream:
                members.add(stream, size=info.file_size)

    `files` then go from `prepare` to `Finding.derived`, `evidence()` to `Finding.evidence`. A bomb costs no more than
    the room: a member is read in pieces until it is too large, and in all no more is read than twice the room's bytes.
    The same bytes are kept once.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._files: list[DerivedFile] = []
        self._known: set[bytes] = set()
        self._kept = 0
        self._read = 0
        self._seen = 0
        self._left_out: Counter[str] = Counter()

    @property
    def files(self) -> tuple[DerivedFile, ...]:
        """What was collected, in order."""
        return tuple(self._files)

    @property
    def left_out(self) -> int:
        """How many members will not be examined, for whatever reason. Empty ones do not count."""
        return self._left_out.total()

    @property
    def is_full(self) -> bool:
        """True once nothing more can be added: stop, and `leave_out` the rest."""
        return len(self._files) >= self._room.files or self._bytes_left() <= 0

    def add(self, stream: Readable, *, size: int | None = None) -> bool:
        """Read a member and keep it. False where it is left out, or empty, which has nothing to examine.

        size: what the archive says of it; a member that is too large by its own account is not read at all. Whatever
        `stream.read` raises comes out of here; leave such a member out as UNREADABLE.
        """
        if self.is_full:
            self.leave_out()
            return False
        limit = self._bytes_left()
        data = bytearray()
        if size is None or size <= limit:
            try:
                while len(data) <= limit and (chunk := stream.read(min(CHUNK, limit + 1 - len(data)))):
                    data += chunk
            finally:
                self._read += len(data)
        if len(data) > limit or (size is not None and size > limit):
            self.leave_out(reason=TOO_LARGE)
            return False
        if not data:
            return False
        self._seen += 1
        digest = hashlib.sha256(data).digest()
        if digest not in self._known:
            self._known.add(digest)
            self._kept += len(data)
            self._files.append(DerivedFile(data))
        return True

    def leave_out(self, count: int = 1, *, reason: str | None = None) -> None:
        """Note members that are not examined.

        reason: TOO_MANY, TOO_LARGE or UNREADABLE; by default what there is no room for.
        """
        full = TOO_LARGE if len(self._files) < self._room.files else TOO_MANY
        self._left_out[reason or full] += count

    def evidence(self) -> tuple[Evidence, ...]:
        """A sentence on what was left out; none where nothing was."""
        return not_examined(dict(self._left_out), of=self._seen + self.left_out)

    def _bytes_left(self) -> int:
        return min(self._room.bytes - self._kept, READ_FACTOR * self._room.bytes - self._read)


def not_examined(left_out: dict[str, int], *, of: int) -> tuple[Evidence, ...]:
    """Says of how many files inside nobody knows anything, and why. left_out: by reason. of: all that there are."""
    total = sum(left_out.values())
    if not total:
        return ()
    why = ", ".join(f"{count} {_BECAUSE[reason]}" for reason, count in left_out.items() if count)
    return (Evidence(text=f"{total} of {of} files inside were not examined: {why}."),)
