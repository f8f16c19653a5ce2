"""Statistics: the days that were counted (`summing.py`), and the rows of those since.

Each statement is one range of an index, however many files there are. Over all owners the answer is kept for some
seconds.
"""

import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Any
from uuid import UUID

from assay.results import summing
from assay.results.listing import first_id
from assay.results.schemas import AnalyzerDay, AnalyzerStats, DayStats, LastHour, Percentiles, Stats
from assay.results.summing import EVERYBODY, first_of
from assay.shared.clock import now
from assay.shared.database import DriverTransaction

KEPT_S = 10.0
DAYS_SHOWN = 30
LAST_DAY = date(9000, 1, 1)
HIGHEST = UUID(int=2**128 - 1)
_LAST = "SELECT max(day) FROM summed_days"
_FILE_DAYS = """
    SELECT day, media_type, status, label, files, bytes FROM file_days
    WHERE owner_id = $1 AND day >= $2 AND day < $3
"""
_ANALYSIS_DAYS = """
    SELECT day, analyzer, status, label, bucket, analyses, duration_ms FROM analysis_days
    WHERE owner_id = $1 AND day >= $2 AND day < $3
"""
# A UUIDv7 begins with its milliseconds.
_DAY_OF = """
    (to_timestamp(('x' || left(replace({id}::text, '-', ''), 12))::bit(48)::bigint / 1000.0) AT TIME ZONE 'UTC')::date
"""
_FILES = f"""
    SELECT {_DAY_OF.format(id="file_id")} AS day, {summing.FILE_COUNTS} FROM files
    WHERE file_id >= $1 AND file_id < $2 {{mine}} GROUP BY 1, 2, 3, 4
"""  # noqa: S608
_ANALYSES = f"""
    SELECT {_DAY_OF.format(id="run_id")} AS day, {summing.ANALYSIS_COUNTS} FROM analyses
    WHERE run_id >= $1 AND run_id < $2 {{mine}} GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608
_MINE = "AND owner_id = $3"
_HOUR = """
    SELECT (SELECT count(*) FROM files WHERE file_id >= $1 AND file_id < $2 {mine}),
        (SELECT count(*) FROM analyses WHERE run_id >= $1 AND run_id < $2 {mine})
"""


@dataclass(slots=True)
class _Tally:
    """What was counted of one analyzer, on one day or on all."""

    statuses: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    buckets: Counter[int] = field(default_factory=Counter)
    duration_ms: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        number = row["analyses"]
        self.statuses[row["status"]] += number
        if row["status"] == "completed":
            self.duration_ms += row["duration_ms"]
            if row["label"]:
                self.labels[row["label"]] += number
            if row["bucket"] >= 0:
                self.buckets[row["bucket"]] += number

    def failure_rate(self) -> float | None:
        ended = self.statuses["completed"] + self.statuses["failed"]
        return round(self.statuses["failed"] / ended, 4) if ended else None

    def mean(self) -> float | None:
        timed = self.buckets.total()
        return round(self.duration_ms / timed, 1) if timed else None


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
        whose = EVERYBODY if owner_id is None else owner_id
        mine, owner = ("", []) if owner_id is None else (_MINE, [owner_id])
        async with self._seeing() as driver:
            last: date | None = await driver.fetchval(_LAST)
            closed = date.min if last is None else last + timedelta(days=1)
            begin, end = since or date.min, min(until or LAST_DAY, LAST_DAY) + timedelta(days=1)
            files = list(await driver.fetch(_FILE_DAYS, whose, begin, min(end, closed)))
            analyses = list(await driver.fetch(_ANALYSIS_DAYS, whose, begin, min(end, closed)))
            if end > closed:
                low = UUID(int=0) if max(begin, closed) == date.min else first_of(max(begin, closed))
                high = HIGHEST if until is None else first_of(end)
                files += await driver.fetch(_FILES.format(mine=mine), low, high, *owner)
                analyses += await driver.fetch(_ANALYSES.format(mine=mine), low, high, *owner)
            hour = (first_id(moment - timedelta(hours=1)), first_id(moment + timedelta(hours=1)))
            lately = await driver.fetchrow(_HOUR.format(mine=mine), *hour, *owner)
        return _stats(owner_id, files, analyses, LastHour(files=lately[0], analyses=lately[1]), moment)


def _stats(
    owner_id: str | None,
    files: Iterable[Mapping[str, Any]],
    analyses: Iterable[Mapping[str, Any]],
    lately: LastHour,
    moment: datetime,
) -> Stats:
    statuses, labels, media_types = Counter[str](), Counter[str](), Counter[str]()
    by_day: defaultdict[date, list[int]] = defaultdict(lambda: [0, 0])
    for row in files:
        statuses[row["status"]] += row["files"]
        labels[row["label"]] += row["files"]
        media_types[row["media_type"]] += row["files"]
        by_day[row["day"]][0] += row["files"]
        by_day[row["day"]][1] += row["bytes"]
    whole: defaultdict[str, _Tally] = defaultdict(_Tally)
    tallies: defaultdict[date, defaultdict[str, _Tally]] = defaultdict(lambda: defaultdict(_Tally))
    for row in analyses:
        whole[row["analyzer"]].add(row)
        tallies[row["day"]][row["analyzer"]].add(row)
    days = sorted(by_day.keys() | tallies.keys(), reverse=True)[:DAYS_SHOWN]
    return Stats(
        scope="all" if owner_id is None else "own",
        as_of=moment,
        files=sum(each[0] for each in by_day.values()),
        bytes=sum(each[1] for each in by_day.values()),
        by_status=_shown(statuses),
        by_label=_shown(labels),
        by_media_type=_shown(media_types),
        analyses={name: _analyzer(tally) for name, tally in sorted(whole.items())},
        last_hour=lately,
        days=[
            DayStats(
                day=day,
                files=by_day[day][0],
                bytes=by_day[day][1],
                analyses={name: _day(tally) for name, tally in sorted(tallies[day].items())},
            )
            for day in days
        ],
    )


def _shown(counts: Counter[str]) -> dict[str, int]:
    return {name: number for name, number in sorted(counts.items()) if name}


def _analyzer(tally: _Tally) -> AnalyzerStats:
    return AnalyzerStats(
        queued=tally.statuses["queued"],
        running=tally.statuses["running"],
        completed=tally.statuses["completed"],
        failed=tally.statuses["failed"],
        mean_duration_ms=tally.mean(),
        duration_ms=percentiles(tally.buckets),
        failure_rate=tally.failure_rate(),
        by_label=_shown(tally.labels),
    )


def _day(tally: _Tally) -> AnalyzerDay:
    return AnalyzerDay(
        completed=tally.statuses["completed"],
        failed=tally.statuses["failed"],
        duration_ms=percentiles(tally.buckets),
        by_label=_shown(tally.labels),
    )


def percentiles(buckets: Mapping[int, int]) -> Percentiles | None:
    """Of numbers of durations by bucket; None where there is none. Right to 5 %."""
    ordered = sorted(buckets)
    sums = list(accumulate(buckets[each] for each in ordered))
    if not sums or not sums[-1]:
        return None

    def at(part: float) -> float:
        bucket = ordered[bisect_left(sums, part * sums[-1])]
        return round(float(2 ** (bucket / 8)) - 1, 1)

    return Percentiles(p50=at(0.5), p90=at(0.9), p99=at(0.99))
