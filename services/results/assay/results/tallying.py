"""What statistics count, and what written rows change in it. Pure.

A tally belongs to an owner, a day and a subject: the files themselves, or one analyzer's analyses. It is a number for
each name, such as `status/failed`; durations are numbers of analyses in buckets, eight for each doubling, so that
percentiles of any tallies together are right to 5 %. Tallies are added name by name, and a row that changes is what it
was, taken away, and what it is, added. So a transaction that writes rows can write what it changes in the tallies, and
they are exact in whatever order, and however often, anything is heard.

A file's day is that of its id, an analysis's that of its run's id, in UTC. Migration 0007 counts the same in SQL.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from operator import itemgetter
from typing import Any
from uuid import UUID

from assay.results.rows import ANALYSES, FILES, Row, Table

Key = tuple[str, date, str]
"""Owner, day, subject."""
Counts = Mapping[str, int]

OF_FILES = ""
"""The subject of the files; every other one is an analyzer's name."""
WHOLE = date.min
"""The day under which all days are counted together, and ids that tell no time."""
EVERYBODY = ""
"""The owner under which all owners are counted together; no owner has this name."""
_EPOCH = date(1970, 1, 1).toordinal()
_DAY_MS = 86_400_000
_LAST_DAY = (date.max.toordinal() - _EPOCH) * _DAY_MS


def day_of(identifier: UUID) -> date:
    """The day of a UUIDv7; WHOLE for one of another kind, or from beyond the calendar."""
    milliseconds = identifier.int >> 80
    if identifier.version != 7 or milliseconds >= _LAST_DAY:
        return WHOLE
    return date.fromordinal(_EPOCH + milliseconds // _DAY_MS)


def bucket_of(duration_ms: int) -> int:
    """The bucket of a duration of more than 0 ms."""
    return round(8 * math.log2(duration_ms + 1))


def duration_of(bucket: int) -> float:
    """The duration in the middle of a bucket, in ms."""
    return float(2 ** (bucket / 8)) - 1


def encoded(counts: Counts) -> str:
    """As it is in the tables."""
    return json.dumps(counts, separators=(",", ":"))


class Tallied:
    """Changes of tallies by the rows of one transaction."""

    def __init__(self) -> None:
        self._counts: defaultdict[Key, Counter[str]] = defaultdict(Counter)

    def write(self, table: Table[Row], before: Sequence[Any] | None, after: Sequence[Any]) -> None:
        """Count a row by its values; before: None for a new one."""
        seen = _SEEN.get(table.name)
        if seen is None:
            return
        add, pick = seen
        new = pick(after)
        if before is not None:
            old = pick(before)
            if old == new:
                return
            add(self._counts, old, -1)
        add(self._counts, new, 1)

    def remove_files(self, records: Iterable[Sequence[Any]]) -> None:
        """Count files that are gone: each its FILE_COLUMNS."""
        for each in records:
            _add_file(self._counts, each, -1)

    def remove_analyses(self, records: Iterable[Sequence[Any]]) -> None:
        """Count analyses that are gone: each its ANALYSIS_COLUMNS."""
        for each in records:
            _add_analysis(self._counts, each, -1)

    def changes(self) -> list[tuple[str, date, str, str]]:
        """Owner, day, subject and what changes there, encoded; nothing where all is as it was."""
        return [
            (*key, encoded(changed))
            for key, counts in self._counts.items()
            if (changed := {name: number for name, number in counts.items() if number})
        ]


FILE_COLUMNS = ("owner_id", "file_id", "media_type", "status", "label", "size")
ANALYSIS_COLUMNS = ("owner_id", "run_id", "analyzer", "status", "label", "duration_ms")


def _add_file(counts: defaultdict[Key, Counter[str]], values: Sequence[Any], number: int) -> None:
    owner_id, file_id, media_type, status, label, size = values
    tally = counts[owner_id, day_of(file_id), OF_FILES]
    tally["files"] += number
    tally[f"status/{status}"] += number
    if size:
        tally["bytes"] += number * size
    if label is not None:
        tally[f"label/{label}"] += number
    if media_type is not None:
        tally[f"media_type/{media_type}"] += number


def _add_analysis(counts: defaultdict[Key, Counter[str]], values: Sequence[Any], number: int) -> None:
    owner_id, run_id, analyzer, status, label, duration_ms = values
    tally = counts[owner_id, day_of(run_id), analyzer]
    tally[f"status/{status}"] += number
    if status != "completed":
        return
    if label is not None:
        tally[f"label/{label}"] += number
    # A verdict that was taken over took no time, and says nothing of how long one takes.
    if duration_ms is not None and duration_ms > 0:
        tally["duration_ms"] += number * duration_ms
        tally[f"bucket/{bucket_of(duration_ms)}"] += number


_Add = Callable[[defaultdict[Key, Counter[str]], Sequence[Any], int], None]
_SEEN: dict[str, tuple[_Add, Callable[[Sequence[Any]], tuple[Any, ...]]]] = {
    FILES.name: (_add_file, itemgetter(*(FILES.names.index(each) for each in FILE_COLUMNS))),
    ANALYSES.name: (_add_analysis, itemgetter(*(ANALYSES.names.index(each) for each in ANALYSIS_COLUMNS))),
}
