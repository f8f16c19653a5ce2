"""What an owner has at this moment, and what that means."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one owner. files_today: since midnight UTC, those erased since included; in_flight: runs not completed."""

    files: int
    bytes: int
    files_today: int
    in_flight: int


def seconds_to_midnight(moment: datetime) -> float:
    """From a moment in UTC to the end of its day."""
    tomorrow = (moment + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (tomorrow - moment).total_seconds()
