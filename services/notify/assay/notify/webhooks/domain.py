"""What webhooks are about: messages, claims, outcomes."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from assay.contracts import EVENTS, FileDeleted, MalformedEventError, event_type
from assay.contracts.base import FileEvent
from assay.contracts.cloudevents import header
from assay.notify.domain import Headers

TEST_TYPE = "assay.webhook.test.v1"
EVENT_TYPES = tuple(sorted(name for name, event in EVENTS.items() if issubclass(event, FileEvent)))
"""What a webhook may ask for: all that is said of files."""

DeliveryStatus = Literal["pending", "delivered", "failed", "skipped"]
GONE = 410

_MOMENT: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


class _Envelope(BaseModel):
    """What is needed of any event about a file."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    file_id: UUID
    owner_id: str
    occurred_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class Message:
    """An event as it is sent."""

    event_id: str
    type: str
    file_id: UUID
    owner_id: str
    occurred_at: datetime
    body: bytes
    traceparent: str | None

    @property
    def deletes(self) -> bool:
        """True if nothing else of this file may be kept or sent any more."""
        return self.type == FileDeleted.type

    def delivery_id(self, webhook_id: UUID) -> UUID:
        """The same for every redelivery, so that a webhook gets one row; the header `webhook-id`."""
        return uuid5(webhook_id, self.event_id)


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this process sends now."""

    delivery_id: UUID
    webhook_id: UUID
    attempt: int
    tries: int
    began_at: datetime
    claimed_at: datetime
    event_type: str
    body: bytes
    traceparent: str | None
    url: str
    secrets: tuple[str, ...]
    is_news: bool
    """True if a success has to be noted at the webhook."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt. `error` is None for success."""

    status_code: int | None
    error: str | None
    duration_ms: int
    response: str | None
    retry_after_s: float | None


def read(value: bytes | None, headers: Headers) -> Message | None:
    """The message in a record; None for what no webhook can ask for. Raises MalformedEventError."""
    kind = event_type(headers)
    if not value or kind not in EVENT_TYPES:
        return None
    try:
        envelope = _Envelope.model_validate_json(value)
    except ValidationError as error:
        raise MalformedEventError(f"{kind}: {error.errors()[0]['msg']}") from error
    event_id = header(headers, "ce_id")
    if event_id is None:
        raise MalformedEventError(f"{kind}: no ce_id")
    return Message(
        event_id=event_id,
        type=kind,
        file_id=envelope.file_id,
        owner_id=envelope.owner_id,
        occurred_at=envelope.occurred_at,
        body=structured(
            event_id=event_id,
            kind=kind,
            source=header(headers, "ce_source") or "/assay",
            subject=str(envelope.file_id),
            moment=_moment(header(headers, "ce_time"), envelope.occurred_at),
            data=value,
        ),
        traceparent=header(headers, "traceparent"),
    )


def structured(*, event_id: str, kind: str, source: str, subject: str, moment: datetime, data: bytes) -> bytes:
    """A CloudEvent in structured mode: the envelope around the JSON that Kafka has.

    data: JSON, taken over byte for byte.
    """
    envelope = {
        "specversion": "1.0",
        "id": event_id,
        "type": kind,
        "source": source,
        "subject": subject,
        "time": moment.isoformat(),
        "datacontenttype": "application/json",
    }
    return json.dumps(envelope).encode()[:-1] + b', "data": ' + data + b"}"


def _moment(text: str | None, otherwise: datetime) -> datetime:
    try:
        return _MOMENT.validate_python(text)
    except ValidationError:
        return otherwise
