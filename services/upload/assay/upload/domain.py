"""What an upload is made of, and the rules that need neither network nor disk."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from assay.contracts import AnalyzerManifest, RunRequested
from assay.contracts.topics import FILES, FILES_BULK
from assay.shared.problems import Problem
from assay.upload.errors import FileTooLargeError, UnsupportedMediaTypeError

Priority = Literal["interactive", "bulk"]
FileStatus = Literal["queued", "analyzed", "partially_analyzed", "failed"]

LANES: dict[Priority, str] = {"interactive": FILES.name, "bulk": FILES_BULK.name}
MAX_NAME_CHARACTERS = 1024
NAMELESS = "unnamed"


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be stored. Its row is committed before the first byte, so that nothing is lost track of."""

    file_id: UUID
    object_key: str
    multipart_id: str | None


@dataclass(frozen=True, slots=True)
class Options:
    """What the request says besides its files. No names of analyzers: all that take the file.

    force: a file of its own, also where the owner has the same bytes already.
    """

    analyzers: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    priority: Priority = "interactive"
    force: bool = False

    @property
    def lane(self) -> str:
        """The topic that the events go to."""
        return LANES[self.priority]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file whose bytes are in S3, not announced yet."""

    file_id: UUID
    owner_id: str
    object_key: str
    filename: str
    declared_media_type: str | None
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it is requested.

    versions: what the catalog had of each analyzer of the plan, see `versioned`.
    asked_by: the owner, where it counts as work that this owner has asked for.
    status: how it has ended; None as long as that is not heard.
    """

    run_id: UUID
    run_number: int
    plan: tuple[str, ...]
    versions: tuple[str, ...]
    lane: str
    requested_at: datetime
    deadline: datetime
    request_id: UUID | None = None
    asked_by: str | None = None
    status: FileStatus | None = None

    def requested(self, file: StoredFile, same_bytes: tuple[UUID, ...] = ()) -> RunRequested:
        """The event that asks the workers for it. same_bytes: earlier files of the owner with the same content."""
        return RunRequested(
            occurred_at=self.requested_at,
            file_id=file.file_id,
            owner_id=file.owner_id,
            run_id=self.run_id,
            run_number=self.run_number,
            plan=self.plan,
            deadline=self.deadline,
            media_type=file.media_type,
            size=file.size,
            sha256=file.sha256,
            object_key=file.object_key,
            same_bytes=(*same_bytes, file.file_id) if self.run_number > 1 else same_bytes,
        )


@dataclass(frozen=True, slots=True)
class AcceptedFile:
    """A file that is announced, with its newest run.

    is_known: the owner had these bytes already, and this is the earlier file; the bytes just stored are of no use.
    status: `queued` where the run was requested just now; else how it has ended, None as long as it has not.
    """

    file: StoredFile
    run_id: UUID
    plan: tuple[str, ...]
    is_known: bool = False
    status: FileStatus | None = "queued"

    @property
    def is_requested(self) -> bool:
        """True where the run was requested just now."""
        return self.status == "queued"


Outcome = AcceptedFile | Problem
"""What came of one file of a request."""


def versioned(manifest: AnalyzerManifest) -> str:
    """An analyzer and its version in one word, as a run remembers them: `jpeg-forensics/1.2.0`."""
    return f"{manifest.name}/{manifest.version}"


def object_key(file_id: UUID) -> str:
    """Where the bytes of a file lie in the bucket. The client's name has no part in it."""
    return f"files/{file_id}/content"


def shown_name(raw: str) -> str:
    """A client's file name as it is recorded: control characters replaced, at most 1024 characters, never empty."""
    clean = "".join("\ufffd" if unicodedata.category(char) in ("Cc", "Cs") else char for char in raw)
    return clean[:MAX_NAME_CHARACTERS] or NAMELESS


def media_types_taken(analyzers: Iterable[AnalyzerManifest]) -> list[str]:
    """Every media type, or `image/*`, that one of these takes, sorted."""
    return sorted({media_type for each in analyzers for media_type in each.media_types})


def plan_for(
    analyzers: Mapping[str, AnalyzerManifest], media_type: str, size: int, wanted: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """The analyzers, by name and sorted, that examine such a file; of those wanted where any are named.

    Raises UnsupportedMediaTypeError or FileTooLargeError where there is none.
    """
    candidates = [each for name, each in analyzers.items() if not wanted or name in wanted]
    takers = [each for each in candidates if each.takes(media_type)]
    if not takers:
        taken = media_types_taken(candidates)
        whose = f"The analyzers {', '.join(wanted)} take" if wanted else "Files of these types are taken"
        raise UnsupportedMediaTypeError(
            f"By its content this is {media_type}. {whose}: {', '.join(taken)}.",
            media_type=media_type,
            media_types=taken,
        )
    plan = tuple(sorted(each.name for each in takers if size <= each.max_bytes))
    if not plan:
        largest = max(each.max_bytes for each in takers)
        raise FileTooLargeError(
            f"The file has {size} bytes; the analyzers of {media_type} take {largest} at most.", max_file_bytes=largest
        )
    return plan
