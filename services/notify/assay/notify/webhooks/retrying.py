"""When a delivery is tried again, and when not any more. Pure, but for chance."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

GROWTH = 4


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait between tries, and how long in all."""

    first: timedelta
    longest: timedelta
    give_up_after: timedelta

    def next_due(
        self, *, tries: int, began_at: datetime, moment: datetime, retry_after_s: float | None
    ) -> datetime | None:
        """When to try again after so many failed tries; None: never.

        Waits grow fourfold, each less up to half by chance. A receiver may ask for a longer one, never for a shorter
        one; the last try is when the time is up.
        """
        ends = began_at + self.give_up_after
        if moment >= ends:
            return None
        longest = min(self.longest, self.first * int(GROWTH ** min(tries - 1, 20)))
        wait = longest * random.uniform(0.5, 1.0)
        if retry_after_s is not None:
            wait = max(wait, timedelta(seconds=retry_after_s))
        return min(moment + wait, ends)


def retry_after_s(value: bytes | None) -> float | None:
    """Seconds that a `Retry-After` asks for, a day at most; None where it says nothing that can be read."""
    if value is None:
        return None
    text = value.decode("latin-1").strip()
    if text.isdecimal() and text.isascii():
        seconds = float(text)
    else:
        try:
            asked = parsedate_to_datetime(text)
        except ValueError:
            return None
        # A date without a zone is in UTC (RFC 9110, section 5.6.7).
        asked = asked if asked.tzinfo is not None else asked.replace(tzinfo=UTC)
        seconds = (asked - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), 86400.0)
