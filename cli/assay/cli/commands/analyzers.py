"""`assay analyzers list|backfill|retire`: who examines what."""

import json
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

import typer
from rich.console import Console
from rich.table import Table

from assay.cli import drawing
from assay.cli.client import Client
from assay.cli.connection import connect
from assay.cli.errors import CommandError

PATH = "/api/v1/analyzers"
PAGE = 500

app = typer.Typer(
    help="See who examines what; for operators: reach older files, take an analyzer out.", add_completion=False
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the manifests as JSON")]
Name = Annotated[str, typer.Argument(help="As `list` prints it")]


@app.callback(invoke_without_command=True)
def analyzers(context: typer.Context, as_json: AsJson = False) -> None:
    """Without a command: list them."""
    if context.invoked_subcommand is None:
        listed(as_json)


@app.command("list")
def listed(as_json: AsJson = False) -> None:
    """List the analyzers at work: version, media types, labels, what they look for."""
    with Client(connect()) as client:
        items = client.get(PATH)["items"]
    if as_json:
        typer.echo(json.dumps(items))
        return
    table = Table("name", "version", "takes", "labels", "looks for", show_edge=False, box=None, pad_edge=False)
    for item in items:
        table.add_row(
            item["name"],
            item["version"],
            drawing.kinds(item["media_types"]),
            ", ".join(item["labels"]),
            item["title"],
        )
    Console(highlight=False).print(table)


@app.command("backfill")
def backfill(
    name: Name,
    media_type: Annotated[str | None, typer.Option(help="Only files of this type; exact, or 'image/*'")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only files uploaded then or later; local time")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many runs")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only")] = False,
) -> None:
    """Request runs with this analyzer for older files that its version has not examined, in the bulk lane.

    May be broken off at any moment and called again: what was requested is skipped.
    """
    requested = skipped = 0
    cursor: str | None = None
    with Client(connect()) as client:
        while True:
            left = PAGE if limit is None else min(PAGE, limit - requested)
            try:
                page = client.post(
                    f"{PATH}/{quote(name, safe='')}/backfill",
                    media_type=media_type,
                    since=None if since is None else since.astimezone().isoformat(),
                    cursor=cursor,
                    limit=left,
                    dry_run=dry_run,
                )
            except CommandError as error:
                if cursor is None:
                    raise
                raise CommandError(f"{error}. {requested} were requested; call it again for the rest") from error
            requested, skipped, cursor = requested + page["requested"], skipped + page["skipped"], page["next_cursor"]
            verb = "to request" if dry_run else "requested"
            typer.echo(f"{name} {page['version']}: {requested} {verb}, {skipped} skipped")
            if cursor is None or requested == limit:
                return


@app.command("retire")
def retire(name: Name) -> None:
    """Take an analyzer out of the plans of new runs. A worker that starts with it registers it again."""
    with Client(connect()) as client:
        retired = client.delete(f"{PATH}/{quote(name, safe='')}")
    typer.echo(
        f"{retired['name']} {retired['version']} is retired. Stop its workers, or leave it out by ASSAY_ANALYZERS."
    )
