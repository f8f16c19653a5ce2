"""Months in UUIDv7: an id begins with the milliseconds at which it was made, so a month is a range of ids. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A calendar month, in UTC."""

    year: int
    number: int
    """1 to 12."""

    @classmethod
    def of(cls, moment: datetime) -> "Month":
        """The month that a moment lies in."""
        there = moment.astimezone(UTC)
        return cls(there.year, there.month)

    def later(self, months: int) -> "Month":
        """So many months later; earlier where it is negative."""
        years, before = divmod(self.number - 1 + months, 12)
        return Month(self.year + years, before + 1)

    @property
    def begins(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def first_id(self) -> UUID:
        """Below every UUIDv7 that is made in this month, and above all that were made before it."""
        return UUID(int=int(self.begins.timestamp()) * 1000 << 80)

    def __str__(self) -> str:
        return f"{self.year}_{self.number:02}"
