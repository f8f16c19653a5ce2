"""`assay files`: your files, narrowed and in order."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from assay.cli import drawing, narrowing
from assay.cli.client import Client
from assay.cli.connection import connect

FIELDS = "filename,media_type,created_at,status,parent_file_id,run.report"
PAGE = 100


def files(
    status: narrowing.Status = None,
    label: narrowing.Label = None,
    min_score: narrowing.MinScore = None,
    max_score: narrowing.MaxScore = None,
    media_type: narrowing.MediaType = None,
    analyzer: narrowing.Analyzer = None,
    since: narrowing.Since = None,
    until: narrowing.Until = None,
    name: narrowing.Name = None,
    sha256: narrowing.Sha256 = None,
    sort: narrowing.Sort = "newest",
    limit: Annotated[int, typer.Option(min=1, help="At most so many")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print each as a line of JSON")] = False,
) -> None:
    """List your files, the newest first."""
    wanted = narrowing.parameters(
        status, label, min_score, max_score, media_type, analyzer, since, until, name, sha256, sort
    )
    found: list[drawing.Json] = []
    cursor: str | None = None
    with Client(connect()) as client:
        while len(found) < limit:
            page = client.get(
                "/api/v1/files", **wanted, fields=FIELDS, limit=min(PAGE, limit - len(found)), cursor=cursor
            )
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
    if as_json:
        for each in found:
            typer.echo(json.dumps(each))
        return
    console = Console(highlight=False, soft_wrap=True)
    for each in found:
        report = (each.get("run") or {}).get("report") or {}
        said = report.get("label") or each["status"]
        line = Text(f"{each['file_id']}  {(each['created_at'] or '')[:16].replace('T', ' '):<18}")
        line.append(f"{said:<20}", style=drawing.COLOURS.get(said, ""))
        console.print(line.append(f"{drawing.number(report.get('score')):<6}{drawing.title(each)}"))
