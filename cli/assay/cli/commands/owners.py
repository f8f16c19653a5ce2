"""`assay owners erase`: all that one owner has."""

import time
from typing import Annotated
from urllib.parse import quote

import typer

from assay.cli.client import Client, Json
from assay.cli.connection import connect
from assay.cli.errors import CommandError

app = typer.Typer(help="For operators: erase all that an owner has.", no_args_is_help=True, add_completion=False)

STALLED = 30
"""So many answers in a row that erased nothing: somebody goes on uploading."""


@app.callback()
def owners() -> None:
    """A group of its own, for what else concerns owners."""


@app.command("erase")
def erase(
    name: Annotated[str, typer.Argument(help="The owner, as its tokens name it")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
) -> None:
    """Erase every file of an owner, and every upload that has begun. It cannot be undone.

    May be broken off at any moment and called again: what is gone is gone, and the rest follows.
    """
    path = f"/api/v1/owners/{quote(name, safe='')}/files"
    with Client(connect()) as client:
        held = client.delete(path, dry_run=True)
        typer.echo(f"{name} has {_counted(held)}, {held['bytes']} bytes")
        if dry_run or not held["more"]:
            return
        if not yes and not typer.confirm("Erase all of it? This cannot be undone"):
            raise CommandError("nothing was erased")
        files = idle = 0
        while True:
            try:
                page = client.delete(path)
            except CommandError as error:
                raise CommandError(f"{error}. {files} files were erased; call it again for the rest") from error
            files += page["files"]
            typer.echo(f"erased: {_counted(page)}")
            if not page["more"]:
                break
            idle = 0 if page["files"] or page["unfinished"] else idle + 1
            if idle:
                time.sleep(1)
            if idle >= STALLED:
                raise CommandError(f"{files} files were erased, but uploads go on. Stop them, and call it again")
    typer.echo(f"{name} has nothing any more; copies in the log end by {page['log_ends_at'][:10]}")


def _counted(page: Json) -> str:
    return f"{page['files']} files, {page['derived']} found inside them, {page['unfinished']} unfinished uploads"
