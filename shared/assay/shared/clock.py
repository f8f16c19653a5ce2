"""The time, in UTC, from one place."""

from datetime import UTC, datetime


def now() -> datetime:
    """The time now, aware, UTC."""
    return datetime.now(UTC)
