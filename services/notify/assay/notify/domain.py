"""An event as it is streamed, who may hear it, and when a run that somebody waits for is over."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from assay.contracts import FileDeleted, MalformedEventError, RunCompleted, RunRequested, event_type
from assay.contracts.cloudevents import header
from assay.contracts.dead_letters import REDRIVE_GROUP_HEADER

# A type becomes the name of an SSE event: nothing in it may end the line.
EVENT_TYPE = re.compile(r"^[A-Za-z0-9._-]{1,200}$")
TERMINAL = frozenset({"analyzed", "partially_analyzed", "failed"})
TRACE_HEADERS = frozenset({"traceparent", "tracestate"})

Headers = tuple[tuple[str, bytes | None], ...]


class _Envelope(BaseModel):
    """What a stream needs of any event about a file, newer types included."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    file_id: UUID
    owner_id: str
    run_number: int | None = None


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event of the log. `slot` stands for its topic and partition, see `position.Layout`."""

    slot: int
    offset: int
    time_ms: int
    type: str
    file_id: UUID
    owner_id: str
    run_number: int | None
    block: bytes
    trace: Headers

    @property
    def deletes(self) -> bool:
        """True if nothing of this file may be served any more."""
        return self.type == FileDeleted.type


@dataclass(frozen=True, slots=True)
class Audience:
    """Whose events a stream carries: those of one file, or of all that the owner has."""

    owner_id: str
    file_id: UUID | None = None

    @staticmethod
    def of(event: LoggedEvent) -> "tuple[Audience, Audience]":
        """The two audiences that may hear an event."""
        return Audience(event.owner_id, event.file_id), Audience(event.owner_id)

    def hears(self, event: LoggedEvent) -> bool:
        """True if the event is for this audience."""
        return self in Audience.of(event)

    @property
    def kind(self) -> str:
        """`file` or `owner`."""
        return "owner" if self.file_id is None else "file"


class AwaitedRun:
    """The current run of a file, for `until=completed`."""

    __slots__ = ("_number", "is_complete")

    def __init__(self, file: dict[str, Any]) -> None:
        """file: the object that `GET /api/v1/files/{file_id}` gives."""
        run = file.get("run") or {}
        self._number = int(run.get("run_number") or 0)
        self.is_complete = run.get("status") in TERMINAL

    def ends_with(self, event: LoggedEvent) -> bool:
        """Take note of a later event; True if nobody needs to wait any longer.

        Topics have no common order: a run may complete before its request is seen, so numbers decide.
        """
        if event.type == RunRequested.type:
            self._number = max(self._number, event.run_number or 0)
        return self.is_end(event)

    def is_end(self, event: LoggedEvent) -> bool:
        """True if this is the end of the current run, or of the file."""
        return event.deletes or (event.type == RunCompleted.type and (event.run_number or 0) >= self._number)


def parse(slot: int, offset: int, time_ms: int, value: bytes | None, headers: Headers) -> LoggedEvent | None:
    """The event in a record; None for what is no event about a file, or is meant for one consumer group only.

    Raises MalformedEventError where a body does not say whose file it is about.
    """
    kind = event_type(headers)
    if not value or kind is None or header(headers, REDRIVE_GROUP_HEADER) is not None:
        return None
    if not EVENT_TYPE.match(kind):
        raise MalformedEventError(f"ce_type of {len(kind)} characters cannot be the name of an SSE event")
    try:
        envelope = _Envelope.model_validate_json(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise MalformedEventError(f"{kind}: {'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}") from error
    return LoggedEvent(
        slot=slot,
        offset=offset,
        time_ms=time_ms,
        type=kind,
        file_id=envelope.file_id,
        owner_id=envelope.owner_id,
        run_number=envelope.run_number,
        block=as_block(kind, value),
        trace=tuple(each for each in headers if each[0] in TRACE_HEADERS),
    )


def as_block(kind: str, value: bytes) -> bytes:
    """An SSE block with its blank line, but without an id.

    JSON may have line breaks between its tokens; each line becomes a `data` line.
    """
    lines = value.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"event: %s\n%s\n" % (kind.encode(), b"".join(b"data: %s\n" % line for line in lines))
