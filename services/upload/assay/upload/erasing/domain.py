"""What an erasure is, and when what is left of it is looked for."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from assay.contracts.topics import ALL

# A segment of a log goes as a whole, once its newest record is old enough. From a compacted topic a report is gone when
# its tombstone is compacted; that names the file and says nothing of it.
LOG_KEPT = timedelta(
    milliseconds=max(
        int(topic.config["retention.ms"]) + int(topic.config["segment.ms"])
        if topic.config["cleanup.policy"] == "delete"
        else int(topic.config["max.compaction.lag.ms"])
        for topic in ALL
    )
)
# A worker that had not heard of it may store something still: a heat map, a verdict to be reused. What runs ends within
# seconds; one that was cut off from Kafka may come back later, and a log that is read from its start even then.
LATER = (
    timedelta(seconds=15),
    timedelta(minutes=2),
    timedelta(minutes=15),
    timedelta(hours=2),
    timedelta(days=1),
    timedelta(days=7),
    LOG_KEPT,
)


@dataclass(frozen=True, slots=True)
class DoomedFile:
    """A file that is about to be erased, and the lanes that its events went to."""

    file_id: UUID
    owner_id: str
    parent_file_id: UUID | None
    lanes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Erasure:
    """A file that was erased."""

    file_id: UUID
    erased_at: datetime
    log_ends_at: datetime


@dataclass(frozen=True, slots=True)
class DueErasure:
    """An erased file whose folder in S3 is to be swept, for the n-th time from 0."""

    file_id: UUID
    erased_at: datetime
    sweeps: int

    @property
    def next_due_at(self) -> datetime | None:
        """When it is swept after this time; None where this is the last one."""
        return self.erased_at + LATER[self.sweeps] if self.sweeps < len(LATER) else None


@dataclass(frozen=True, slots=True)
class Holdings:
    """What an owner has."""

    files: int
    derived: int
    size: int
    unfinished: int


def folder_of(file_id: UUID) -> str:
    """Everything about a file lies in S3 under keys that begin so."""
    return f"files/{file_id}/"


def owner_digest(file_id: UUID, owner_id: str) -> str:
    """Tells who owned an erased file, to those only who say who they are."""
    return hashlib.sha256(f"{file_id}\0{owner_id}".encode()).hexdigest()


def parents_first(files: Sequence[DoomedFile]) -> list[DoomedFile]:
    """The files in an order in which each comes after the one it was found in."""
    known = {each.file_id for each in files}
    inside: dict[UUID | None, list[DoomedFile]] = {}
    for each in files:
        inside.setdefault(each.parent_file_id if each.parent_file_id in known else None, []).append(each)
    ordered = list(inside.get(None, ()))
    for each in ordered:
        ordered.extend(inside.get(each.file_id, ()))
    return ordered
