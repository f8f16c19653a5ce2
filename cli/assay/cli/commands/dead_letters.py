"""`assay dead-letters`: records that a consumer gave up on."""

import json
from typing import Annotated

import typer

from assay.cli.client import Client
from assay.cli.connection import connect


def dead_letters(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, newest first")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON")] = False,
) -> None:
    """List dead letters: which group gave up, why, after how many attempts, and where the record came from."""
    with Client(connect()) as client:
        items = client.get("/api/v1/dead-letters", limit=limit)["items"]
    if as_json:
        typer.echo(json.dumps(items))
        return
    if not items:
        typer.echo("There are no dead letters.")
    for item in items:
        typer.echo(
            f"{item['occurred_at']}  {item['group']}  {item['topic']}/{item['partition']}/{item['offset']}"
            f"  after {item['attempts']}: {item['error']}"
        )
