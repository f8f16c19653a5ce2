"""What lists and exports are narrowed with, as parameters of a query.

The dependencies are coroutines, though they wait for nothing: FastAPI runs others in a thread, which takes longer.
"""

import re
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BeforeValidator

from assay.contracts.analyzers import ANALYZER_NAME
from assay.results.listing import NAME_CHARS, Filters
from assay.results.schemas import Status
from assay.results.sparse import Fields, fields_of
from assay.shared.problems import InvalidRequestError

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def _written_out(value: object) -> object:
    """Refuse a bare number, which would be taken for seconds since 1970."""
    if isinstance(value, str) and not _DAY.match(value):
        raise ValueError("write it as 2026-03-01 or 2026-03-01T12:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]
Day = Annotated[date, BeforeValidator(_written_out)]
NO_NUL = r"^[^\x00]*$"


async def read_filters(
    status: Annotated[Status | None, Query(description="Of the newest run")] = None,
    label: Annotated[
        str | None, Query(max_length=200, pattern=NO_NUL, description="Of the newest run's report")
    ] = None,
    min_score: Annotated[float | None, Query(ge=0, le=1, description="Of the newest run's report")] = None,
    max_score: Annotated[float | None, Query(ge=0, le=1, description="Of the newest run's report")] = None,
    media_type: Annotated[str | None, Query(max_length=200, pattern=NO_NUL, description="Exact, or `image/*`")] = None,
    analyzer: Annotated[
        str | None, Query(pattern=ANALYZER_NAME, max_length=64, description="One that is part of the newest run")
    ] = None,
    since: Annotated[Moment | None, Query(description="Uploaded at this time or later")] = None,
    until: Annotated[Moment | None, Query(description="Uploaded before this time")] = None,
    name: Annotated[
        str | None,
        Query(
            max_length=NAME_CHARS, pattern=NO_NUL, description="How the file name begins, in any case; the quick way"
        ),
    ] = None,
    q: Annotated[
        str | None, Query(max_length=200, pattern=NO_NUL, description="Any part of the file name, in any case")
    ] = None,
    sha256: Annotated[str | None, Query(pattern=r"^[0-9a-f]{64}$", description="Of the bytes")] = None,
    parent: Annotated[UUID | None, Query(description="Instead of uploads, the files found inside this one")] = None,
) -> Filters:
    """A FastAPI dependency. Raises InvalidRequestError for bounds that nothing is between."""
    if min_score is not None and max_score is not None and min_score > max_score:
        raise InvalidRequestError("`min_score` must not be above `max_score`.", place="min_score")
    if since is not None and until is not None and since >= until:
        raise InvalidRequestError("`since` must be before `until`.", place="since")
    return Filters(
        status=status,
        label=label,
        min_score=min_score,
        max_score=max_score,
        media_type=media_type,
        analyzer=analyzer,
        since=since,
        until=until,
        name=name or None,
        q=q or None,
        sha256=sha256,
        parent=parent,
    )


async def read_fields(
    fields: Annotated[
        str | None,
        Query(
            max_length=1000,
            description="Only these, with commas between, such as `filename,status,run.report`; `file_id` always",
        ),
    ] = None,
) -> Fields:
    """A FastAPI dependency. Raises InvalidRequestError for a field that there is not."""
    return fields_of(fields)
