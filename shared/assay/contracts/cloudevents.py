"""CloudEvents 1.0 in Kafka binary mode: attributes in `ce_*` headers, the body as JSON.

Follows "Kafka Protocol Binding for CloudEvents", version 1.0.2, section 3.2.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pydantic import ValidationError

from assay.contracts.base import Event
from assay.contracts.registry import EVENTS
from assay.contracts.topics import MAX_EVENT_BYTES

Headers = list[tuple[str, bytes]]


class MalformedEventError(ValueError):
    """A record says that it is an event which we know, but its body is not one. Trying again cannot help."""


class EventTooLargeError(ValueError):
    """An event is larger than what a topic takes. Larger details belong into an artifact."""


class Record(NamedTuple):
    """What goes to Kafka. A null value is a tombstone."""

    key: bytes
    value: bytes
    headers: Headers


def encode(event: Event, *, source: str, carrier: Mapping[str, str] | None = None) -> Record:
    """Make the record of an event.

    source: who says so, a URI reference such as `/assay/upload`.
    carrier: W3C trace context, as `opentelemetry.propagate.inject` fills it.
    Raises EventTooLargeError over 256 KiB.
    """
    value = event.model_dump_json().encode()
    if len(value) > MAX_EVENT_BYTES:
        raise EventTooLargeError(f"{event.type} of {event.key} has {len(value)} bytes, {MAX_EVENT_BYTES} are allowed")
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(event.event_id).encode()),
        ("ce_type", event.type.encode()),
        ("ce_source", source.encode()),
        ("ce_subject", event.key.encode()),
        ("ce_time", event.occurred_at.isoformat().encode()),
        ("content-type", b"application/json"),
    ]
    headers.extend((name, text.encode()) for name, text in (carrier or {}).items())
    return Record(event.key.encode(), value, headers)


def header(headers: Iterable[tuple[str, bytes | None]], name: str) -> str | None:
    """The last header of this name as text, None where it is missing, null or not UTF-8: readers must not fail."""
    found: str | None = None
    for key, value in headers:
        if key == name and value is not None:
            found = value.decode("utf-8", errors="replace")
    return found


def event_type(headers: Iterable[tuple[str, bytes | None]]) -> str | None:
    """`ce_type`, None for a record that is no CloudEvent."""
    return header(headers, "ce_type")


def decode(value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> Event | None:
    """The event in a record; None for a tombstone, for a type that we do not know and for what is no CloudEvent.

    Raises MalformedEventError where a known type has a body that is not one.
    """
    known = EVENTS.get(event_type(headers) or "")
    if known is None or not value:
        return None
    try:
        return known.model_validate_json(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise MalformedEventError(f"{known.type}: {place or 'body'}: {first['msg']}") from error
