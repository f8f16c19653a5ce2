"""What a resumable upload is made of, and the rules that need neither network nor disk."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from assay.upload.domain import Options, Priority, object_key

Kind = Literal["tus", "presigned"]
# `receiving` until the file is announced (`finished`), refused, given up by its owner or too old. A row that is no
# longer `receiving` only tells what became of it.
Status = Literal["receiving", "finished", "refused", "terminated", "expired"]

MIB = 1024 * 1024
PART_BYTES = 8 * MIB
PRESIGNED_PART_BYTES = 16 * MIB
# S3 takes numbers up to 10,000. Every change of hands may leave one unused, so half of them are kept free.
MAX_PARTS = 5000
# An answer lists an address for each.
MAX_PRESIGNED_PARTS = 256
# A tail in more pieces than this is made one.
MAX_SEGMENTS = 64


@dataclass(frozen=True, slots=True)
class Part:
    """A part that lies in S3. Numbers rise, with gaps: a number is never used twice."""

    number: int
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class PartOnItsWay:
    """A part that a client sends to S3 by itself. It has an etag where it is there, else an address to send it to."""

    number: int
    size: int
    etag: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class Segment:
    """Some bytes behind the last part: an object of its own until they are enough for a part."""

    offset: int
    size: int
    object_key: str


@dataclass(frozen=True, slots=True)
class Upload:
    """What PostgreSQL knows of an upload."""

    upload_id: UUID
    owner_id: str
    kind: Kind
    length: int
    status: Status = "receiving"
    offset: int = 0
    fence: int = 0
    expires_at: datetime = datetime.max
    multipart_id: str | None = None
    part_bytes: int = PART_BYTES
    is_typed: bool = False
    filename: str = ""
    declared_media_type: str | None = None
    analyzers: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    priority: Priority = "interactive"
    force: bool = False
    sha256: str | None = None
    raw_metadata: str = ""
    file_id: UUID | None = None
    run_id: UUID | None = None
    is_known: bool = False
    problem: dict[str, Any] | None = None

    def having(self, **values: Any) -> "Upload":
        """The same with other values."""
        return replace(self, **values)

    @property
    def key(self) -> str:
        """Where the whole will lie. The upload's id becomes the file's."""
        return object_key(self.upload_id)

    @property
    def prefix(self) -> str:
        """All that belongs to it lies below."""
        return self.key.removesuffix("content")

    @property
    def options(self) -> Options:
        """What was asked besides the bytes."""
        return Options(analyzers=self.analyzers, metadata=self.metadata, priority=self.priority, force=self.force)

    @property
    def is_whole(self) -> bool:
        """Every byte is stored; what is missing is the announcement."""
        return self.offset == self.length


def part_bytes_for(length: int, *, least: int = PART_BYTES, at_most: int = MAX_PARTS) -> int:
    """How many bytes a part has, so that there are few enough of them; whole MiB."""
    needed = -(-length // at_most)
    return max(least, -(-needed // MIB) * MIB)


def sizes_of_parts(length: int, part_bytes: int) -> list[int]:
    """The size of each part of a file that is cut at every `part_bytes`."""
    whole, rest = divmod(length, part_bytes)
    return [part_bytes] * whole + ([rest] if rest else [])
