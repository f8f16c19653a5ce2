"""Statistics: tallies, and what was changed in them since they were last summed (`tallying.py`, `summing.py`).

Both are read in one transaction, so every row that was written counts once. What is read is bounded by the days that
are shown, not by the number of files; only the last hour is counted from rows, in an index. Over all owners the answer
is kept for some seconds.
"""

import json
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import accumulate, chain
from typing import Any

from assay.results.listing import first_id
from assay.results.schemas import AnalyzerDay, AnalyzerStats, DayStats, LastHour, Percentiles, Stats
from assay.results.tallying import EVERYBODY, OF_FILES, WHOLE, duration_of
from assay.shared.clock import now
from assay.shared.database import DriverTransaction

KEPT_S = 10.0
DAYS_SHOWN = 30
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9999, 1, 1)
"""What `since` and `until` are where they are not said."""
# All days together, and the last ones that have anything.
_TALLIES = """
    SELECT day, subject, counts::text FROM tallies WHERE owner_id = $1 AND day = $2
    UNION ALL
    SELECT day, subject, counts::text FROM tallies WHERE owner_id = $1 AND day >= (
        SELECT min(day) FROM (
            SELECT day FROM tallies WHERE owner_id = $1 AND day > $2 GROUP BY day ORDER BY day DESC LIMIT $3
        ) AS shown
    )
"""
_TALLIES_BETWEEN = """
    SELECT day, subject, counts::text FROM tallies WHERE owner_id = $1 AND day BETWEEN $2 AND $3
"""
_CHANGES = "SELECT day, subject, counts::text FROM tally_changes {mine}"
_HOUR = """
    SELECT (SELECT count(*) FROM files WHERE file_id >= $1 AND file_id < $2 {mine}),
        (SELECT count(*) FROM analyses WHERE run_id >= $1 AND run_id < $2 {mine})
"""

Tallies = defaultdict[str, Counter[str]]
"""By subject."""


class Counting:
    """Counts for whoever asks."""

    def __init__(self, seeing: DriverTransaction) -> None:
        self._seeing = seeing
        self._kept: dict[tuple[date | None, date | None], tuple[float, Stats]] = {}

    async def stats(self, owner_id: str | None, since: date | None = None, until: date | None = None) -> Stats:
        """Over one owner's files, or over all where it is None, of the days from `since` to `until`, both included.

        Derived files count too.
        """
        if owner_id is not None:
            return await self._count(owner_id, since, until)
        key = (since, until)
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() - kept[0] < KEPT_S:
            return kept[1]
        counted = await self._count(None, since, until)
        self._kept = {each: kept for each, kept in self._kept.items() if time.monotonic() - kept[0] < KEPT_S}
        self._kept[key] = (time.monotonic(), counted)
        return counted

    async def _count(self, owner_id: str | None, since: date | None, until: date | None) -> Stats:
        moment = now()
        owner = [] if owner_id is None else [owner_id]
        hour = (first_id(moment - timedelta(hours=1)), first_id(moment + timedelta(hours=1)))
        async with self._seeing() as driver:
            if since is None and until is None:
                summed = await driver.fetch(_TALLIES, owner_id or EVERYBODY, WHOLE, DAYS_SHOWN)
            else:
                bounds = (since or FIRST_DAY, until or LAST_DAY)
                summed = await driver.fetch(_TALLIES_BETWEEN, owner_id or EVERYBODY, *bounds)
            changed = await driver.fetch(_CHANGES.format(mine="WHERE owner_id = $1" if owner else ""), *owner)
            lately = await driver.fetchrow(_HOUR.format(mine="AND owner_id = $3" if owner else ""), *hour, *owner)
        if since is None and until is None:
            counted = _all_days(summed, changed)
        else:
            counted = _days_between(summed, [each for each in changed if bounds[0] <= each["day"] <= bounds[1]])
        return _stats(owner_id, counted, LastHour(files=lately[0], analyses=lately[1]), moment)


@dataclass(slots=True)
class _Counted:
    """Tallies of all days together, and of single days, by subject."""

    whole: Tallies = field(default_factory=lambda: defaultdict(Counter))
    days: defaultdict[date, Tallies] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Counter)))


def _all_days(summed: Iterable[Mapping[str, Any]], changed: Iterable[Mapping[str, Any]]) -> _Counted:
    """Of tallies over all days and of the last days that have any, and of changes on any day."""
    counted = _Counted()
    for row in summed:
        tallies = counted.whole if row["day"] == WHOLE else counted.days[row["day"]]
        tallies[row["subject"]].update(json.loads(row["counts"]))
    # Where there are more days than were read, a change alone would not say how an older one stands.
    oldest = min(counted.days) if len(counted.days) >= DAYS_SHOWN else FIRST_DAY
    for row in changed:
        change = json.loads(row["counts"])
        counted.whole[row["subject"]].update(change)
        if row["day"] >= oldest:
            counted.days[row["day"]][row["subject"]].update(change)
    return counted


def _days_between(summed: Iterable[Mapping[str, Any]], changed: Iterable[Mapping[str, Any]]) -> _Counted:
    """Of tallies and changes on some days, and of no others."""
    counted = _Counted()
    for row in chain(summed, changed):
        counts = json.loads(row["counts"])
        counted.whole[row["subject"]].update(counts)
        counted.days[row["day"]][row["subject"]].update(counts)
    return counted


def _stats(owner_id: str | None, counted: _Counted, lately: LastHour, moment: datetime) -> Stats:
    files = counted.whole[OF_FILES]
    days = [day for day, tallies in counted.days.items() if any(any(each.values()) for each in tallies.values())]
    return Stats(
        scope="all" if owner_id is None else "own",
        as_of=moment,
        files=files["files"],
        bytes=files["bytes"],
        by_status=_named(files, "status/"),
        by_label=_named(files, "label/"),
        by_media_type=_named(files, "media_type/"),
        analyses={name: _analyzer(tally) for name, tally in _analyzers(counted.whole)},
        last_hour=lately,
        days=[_day(day, counted.days[day]) for day in sorted(days, reverse=True)[:DAYS_SHOWN]],
    )


def _analyzers(tallies: Tallies) -> Sequence[tuple[str, Counter[str]]]:
    """By name, those that have anything."""
    return sorted((name, tally) for name, tally in tallies.items() if name != OF_FILES and any(tally.values()))


def _named(tally: Counter[str], prefix: str) -> dict[str, int]:
    """What a tally counts under names with this prefix, without it."""
    return {name.removeprefix(prefix): tally[name] for name in sorted(tally) if name.startswith(prefix) and tally[name]}


def _durations(tally: Counter[str]) -> dict[int, int]:
    return {int(name): number for name, number in _named(tally, "bucket/").items()}


def _analyzer(tally: Counter[str]) -> AnalyzerStats:
    completed, failed = tally["status/completed"], tally["status/failed"]
    durations = _durations(tally)
    timed = sum(durations.values())
    return AnalyzerStats(
        queued=tally["status/queued"],
        running=tally["status/running"],
        completed=completed,
        failed=failed,
        mean_duration_ms=round(tally["duration_ms"] / timed, 1) if timed else None,
        duration_ms=percentiles(durations),
        failure_rate=round(failed / (completed + failed), 4) if completed + failed else None,
        by_label=_named(tally, "label/"),
    )


def _day(day: date, tallies: Tallies) -> DayStats:
    files = tallies[OF_FILES]
    return DayStats(
        day=day,
        files=files["files"],
        bytes=files["bytes"],
        analyses={
            name: AnalyzerDay(
                completed=tally["status/completed"],
                failed=tally["status/failed"],
                duration_ms=percentiles(_durations(tally)),
                by_label=_named(tally, "label/"),
            )
            for name, tally in _analyzers(tallies)
        },
    )


def percentiles(buckets: Mapping[int, int]) -> Percentiles | None:
    """Of numbers of durations by bucket; None where there is none. Right to 5 %."""
    ordered = sorted(buckets)
    sums = list(accumulate(buckets[each] for each in ordered))
    if not sums or not sums[-1]:
        return None

    def at(part: float) -> float:
        bucket = ordered[bisect_left(sums, part * sums[-1])]
        return round(duration_of(bucket), 1)

    return Percentiles(p50=at(0.5), p90=at(0.9), p99=at(0.99))
