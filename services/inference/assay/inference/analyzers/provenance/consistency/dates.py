"""Dates that cannot be, or not together."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from assay.inference.analyzers.provenance.consistency.facts import Facts
from assay.inference.analyzers.provenance.consistency.oddity import Oddity

DAY = timedelta(days=1)
"""Cameras and programs write local times of different zones; less than this is no difference."""

FIRST_YEAR = 1988
"""Of digital cameras that were sold. Scanners write when they scanned."""

# What many Android phones wrote as the date of digitising, always.
_ANDROID = "2002:12:08 12:00:00"

_IMPOSSIBLE, _REVERSED, _CLOCK = 0.3, 0.4, 0.2


def check_dates(facts: Facts, now: datetime) -> Iterator[Oddity]:
    """now: naive, UTC."""
    for date in facts.dates:
        if date.value is None:
            # Cameras whose clock was never set write zeros or blanks.
            if any(character in "123456789" for character in date.text):
                yield Oddity("dates", f"“{date.text}” is no date (when it was {date.field}).", _IMPOSSIBLE)
        elif date.value > now + 2 * DAY:
            yield Oddity("dates", f"It says that it was {date.field} in the future, on {date.text}.", _IMPOSSIBLE)
        elif date.value.year < FIRST_YEAR and date.field in ("taken", "digitised"):
            text = f"It says that it was {date.field} on {date.text}, before there were digital cameras"
            yield Oddity("dates", f"{text}; a clock that was never set explains that.", 0.0)
    taken = facts.date("taken")
    for later in ("digitised", "changed"):
        second = facts.date(later)
        if second is None or not second.text.startswith(_ANDROID):
            yield from _reversed(facts, "taken", later)
    yield from _reversed(facts, "created (XMP)", "changed (XMP)")
    position = facts.date("positioned")
    if taken and position and taken.value and position.value and abs(taken.value - position.value) > 2 * DAY:
        text = f"It was taken on {taken.text} by the camera's clock, but on {position.text} by the satellites'"
        yield Oddity("dates", f"{text}; the camera's clock may have been wrong.", _CLOCK)
    named = facts.date("taken (XMP)", "taken (IPTC)")
    if taken and named and taken.value and named.value and abs(taken.value - named.value) > 2 * DAY:
        text = f"Exif says that it was taken on {taken.text}, {named.field[7:-1]} on {named.text}"
        yield Oddity("dates", f"{text}; somebody may have put one of them right.", _CLOCK)


def _reversed(facts: Facts, earlier: str, later: str) -> Iterator[Oddity]:
    first, second = facts.date(earlier), facts.date(later)
    if first and second and first.value and second.value and second.value < first.value - DAY:
        yield Oddity(
            "dates",
            f"It says that it was {later} on {second.text}, before it was {earlier} on {first.text}. "
            "A clock that was reset explains that too.",
            _REVERSED,
        )
