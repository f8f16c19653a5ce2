"""Rules that need no database: what a status is, which news counts, what may be stored."""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

AnalysisStatus = Literal["queued", "running", "completed", "failed"]
FinalStatus = Literal["analyzed", "partially_analyzed", "failed"]

TERMINAL = frozenset({"completed", "failed"})
FINAL = frozenset({"analyzed", "partially_analyzed", "failed"})
UNFINISHED = ("queued", "running")
"""What a file or a run is until then."""
TIMED_OUT = "timed_out"
NOT_FINISHED = "derived_file_not_finished"
"""Code in a report's `missing`: a file found inside was not examined in time."""


def final_status(statuses: Iterable[str], *, all_inside: bool = True) -> FinalStatus:
    """Of a run whose analyses are all terminal; a run without any analysis has nothing that failed.

    all_inside: whether the files found inside were all examined, each by its whole plan.
    """
    ends = list(statuses)
    failed = ends.count("failed")
    if not failed:
        return "analyzed" if all_inside else "partially_analyzed"
    return "failed" if failed == len(ends) else "partially_analyzed"


def is_news(attempt: int, sequence: int, *, known_attempt: int, known_sequence: int) -> bool:
    """True for progress that is further than what is known: of a later attempt, or later in the same one."""
    return (attempt, sequence) > (known_attempt, known_sequence)


def latest(times: Iterable[datetime | None], *, default: datetime) -> datetime:
    """The latest of the times that are known."""
    return max((time for time in times if time is not None), default=default)


def storable(value: Any) -> Any:
    """The value as PostgreSQL's text and JSONB take it: no NUL character, no infinity, no NaN."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {storable(key): storable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable(each) for each in value]
    return value


def storable_json(text: str) -> str:
    """A body's JSON as `storable` would have it; the same text where nothing is to be replaced, as nearly always."""
    # Infinity and NaN are null already in what pydantic writes.
    return json.dumps(storable(json.loads(text))) if "\\u0000" in text else text
