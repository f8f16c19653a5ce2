"""Identifiers: UUIDv7, so that ids sort by the time they were made."""

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

__all__ = ["made_at", "new_id"]


def new_id() -> UUID:
    """A new UUIDv7 (RFC 9562)."""
    return uuid7()


def made_at(identifier: UUID) -> datetime | None:
    """When a UUIDv7 was made, to the millisecond; None for any other UUID."""
    if identifier.version != 7:
        return None
    return datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)
