"""What a dead letter is: a record that a consumer gave up on, who that was, and where the record belongs."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from assay.contracts import FileDeleted, FileDerived, MalformedEventError, RunRequested, decode
from assay.contracts.base import FileEvent
from assay.contracts.cloudevents import event_type, header
from assay.contracts.dead_letters import (
    AT_HEADER,
    ATTEMPTS_HEADER,
    ERROR_HEADER,
    GROUP_HEADER,
    ORIGIN_HEADER,
    REDRIVE_GROUP_HEADER,
)
from assay.contracts.topics import ALL, DEAD_LETTERS

Headers = tuple[tuple[str, bytes | None], ...]
Way = Literal["run", "record"]

ORIGIN = re.compile(r"(?P<topic>[a-zA-Z0-9._-]+)/(?P<partition>[0-9]{1,9})/(?P<offset>[0-9]{1,18})")
INFERENCE = "assay.inference."
SAID_OF_IT = frozenset({GROUP_HEADER, ERROR_HEADER, ATTEMPTS_HEADER, ORIGIN_HEADER, AT_HEADER, REDRIVE_GROUP_HEADER})
# Topics in which a record may come again. In the others the latest record of a key counts: an old one would undo it.
LOGS = frozenset(each.name for each in ALL if each is not DEAD_LETTERS and each.config["cleanup.policy"] == "delete")


class Place(NamedTuple):
    """Where a record lies in Kafka."""

    topic: str
    partition: int
    offset: int


class Analysis(NamedTuple):
    """What a worker gave up on."""

    file_id: UUID
    run_id: UUID
    analyzer: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A record of `assay.dead-letters`. Anybody may have written it, so everything may be missing."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes
    value: bytes | None
    headers: Headers

    @property
    def group(self) -> str | None:
        return header(self.headers, GROUP_HEADER)

    @property
    def error(self) -> str | None:
        return header(self.headers, ERROR_HEADER)

    @property
    def attempts(self) -> int | None:
        text = header(self.headers, ATTEMPTS_HEADER)
        return int(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text) else None

    @property
    def at(self) -> datetime | None:
        try:
            return datetime.fromisoformat(header(self.headers, AT_HEADER) or "")
        except ValueError:
            return None

    @property
    def origin(self) -> str | None:
        """`topic/partition/offset` of the original record."""
        return header(self.headers, ORIGIN_HEADER)

    @property
    def type(self) -> str | None:
        return event_type(self.headers)

    @property
    def file_id(self) -> UUID | None:
        """The file that is spoken of, by the key, so that it is known without the body. None for a deletion: it says
        nothing of a file, and may be replayed.
        """
        if self.type == FileDeleted.type:
            return None
        try:
            return UUID(self.key.decode())
        except ValueError:
            return None

    @property
    def place(self) -> Place | None:
        """Where the original record lies, or lay; None where that is no topic into which it may go back."""
        found = ORIGIN.fullmatch(self.origin or "")
        if found is None or found["topic"] not in LOGS:
            return None
        return Place(found["topic"], int(found["partition"]), int(found["offset"]))

    @property
    def event(self) -> FileEvent | None:
        """The event about a file in it, where it is one that we understand."""
        try:
            event = decode(self.value, self.headers)
        except MalformedEventError:
            return None
        return event if isinstance(event, FileEvent) else None

    @property
    def analysis(self) -> Analysis | None:
        """The analysis that failed with it: it was the request of one, and an analyzer's group gave up."""
        event, analyzer = self.event, (self.group or "").removeprefix(INFERENCE)
        if not (self.group or "").startswith(INFERENCE) or not isinstance(event, RunRequested | FileDerived):
            return None
        return Analysis(event.file_id, event.run_id, analyzer) if analyzer in event.plan else None

    @property
    def way(self) -> Way | None:
        """How it is replayed: an analysis as a new run, any other record into its own topic; None: not at all."""
        if self.analysis is not None:
            return "run"
        return "record" if self.place is not None and self.group else None

    @property
    def replay_id(self) -> UUID:
        """The same for every dead letter of the same failure: it is replayed once."""
        if self.analysis is not None:
            return uuid5(self.analysis.run_id, f"{self.analysis.analyzer}/redrive")
        record_id = header(self.headers, "ce_id")
        return uuid5(NAMESPACE_URL, f"assay:redrive/{self.group}/{self.origin}/{record_id}")

    @property
    def headers_back(self) -> Headers:
        """The original headers, and for whom the record comes again."""
        kept = tuple(each for each in self.headers if each[0] not in SAID_OF_IT)
        return (*kept, (REDRIVE_GROUP_HEADER, (self.group or "").encode()))
