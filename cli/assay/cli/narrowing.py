"""What a list and an export are narrowed to: the same options for both."""

from datetime import datetime
from typing import Annotated, Literal

import typer

Status = Annotated[
    Literal["queued", "running", "analyzed", "partially_analyzed", "failed"] | None, typer.Option(help="How far it is")
]
Label = Annotated[str | None, typer.Option(help="What the report says, such as manipulated")]
MinScore = Annotated[float | None, typer.Option(min=0, max=1, help="The report's score, or more")]
MaxScore = Annotated[float | None, typer.Option(min=0, max=1, help="The report's score, or less")]
MediaType = Annotated[str | None, typer.Option(help="Exact, or 'image/*'")]
Analyzer = Annotated[str | None, typer.Option(help="One that examined it")]
Since = Annotated[datetime | None, typer.Option(help="Uploaded then or later; local time")]
Until = Annotated[datetime | None, typer.Option(help="Uploaded before; local time")]
Name = Annotated[str | None, typer.Option(help="How the file name begins")]
Sha256 = Annotated[str | None, typer.Option(help="Hash of the bytes")]
Sort = Annotated[Literal["newest", "oldest", "score", "name"], typer.Option(help="What comes first")]


def parameters(
    status: str | None,
    label: str | None,
    min_score: float | None,
    max_score: float | None,
    media_type: str | None,
    analyzer: str | None,
    since: datetime | None,
    until: datetime | None,
    name: str | None,
    sha256: str | None,
    sort: str,
) -> dict[str, str]:
    """As the query of a request; what was not given is left out."""
    given = {
        "status": status,
        "label": label,
        "min_score": min_score,
        "max_score": max_score,
        "media_type": media_type,
        "analyzer": analyzer,
        "since": None if since is None else since.astimezone().isoformat(),
        "until": None if until is None else until.astimezone().isoformat(),
        "name": name,
        "sha256": sha256,
        "sort": sort,
    }
    return {each: str(value) for each, value in given.items() if value is not None}
