"""`assay submit`: upload files and follow them to their reports."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from assay.cli import drawing
from assay.cli.client import Client, Json
from assay.cli.connection import connect
from assay.cli.errors import CommandError, UsageError
from assay.cli.following import artifacts_follow, follow
from assay.cli.uploading import LARGE_BYTES, Tell

# How long `--json` waits behind the report for artifacts that follow.
ARTIFACTS_S = 10.0
ASK_AGAIN_S = 0.2


def submit(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files to examine")],
    analyzers: Annotated[str | None, typer.Option(help="Only these, comma separated; all that fit otherwise")] = None,
    metadata: Annotated[str | None, typer.Option(help="A JSON object that stays with the file")] = None,
    priority: Annotated[str | None, typer.Option(help="interactive, or bulk for what can wait")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Make a new file, also of bytes that you have submitted before")
    ] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for the report")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers as JSON, one line a file")] = False,
) -> None:
    """Upload files, draw their progress, print their reports. Exit status 1 if any was refused or failed.

    A file of more than 64 MiB goes on where it stopped when the connection breaks, and when the command is run again.

    Bytes that you have submitted before are not examined again, unless analyzers have changed since: you see the report
    that there is.
    """
    described = _metadata(metadata)
    console = Console(highlight=False, soft_wrap=True)
    failed = False
    with Client(connect()) as client:
        for path in paths:
            try:
                with _progress(path, console, quiet=as_json) as tell:
                    accepted = client.submit(
                        path, analyzers=analyzers, metadata=described, priority=priority, force=force, tell=tell
                    )
                file = accepted if no_wait else _follow(client, accepted, console, quiet=as_json)
            except CommandError as error:
                failed = True
                typer.echo(f"assay: {path}: {error}", err=True)
                continue
            if as_json:
                typer.echo(json.dumps(file))
            elif no_wait:
                console.print("\n".join(drawing.heading(accepted)), markup=False)
            failed = failed or file.get("status") == "failed"
    if failed:
        raise typer.Exit(1)


@contextmanager
def _progress(path: Path, console: Console, *, quiet: bool) -> Iterator[Tell]:
    """A bar on a terminal while a large file goes up."""
    if quiet or not console.is_terminal or not path.is_file() or path.stat().st_size <= LARGE_BYTES:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task(path.name, total=path.stat().st_size)
        yield lambda sent: progress.update(task, completed=sent)


def _metadata(text: str | None) -> Json | None:
    if text is None:
        return None
    try:
        described = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--metadata is not JSON: {error}") from error
    if not isinstance(described, dict):
        raise UsageError('--metadata must be a JSON object, such as \'{"case": "4711"}\'')
    return described


def _follow(client: Client, accepted: Json, console: Console, *, quiet: bool) -> Json:
    """Draw on a terminal; in a pipe print a line when an analysis ends."""
    if quiet:
        return _last(client, accepted)
    console.print("\n".join(drawing.heading(accepted)), markup=False)
    file: Json = {}
    if console.is_terminal:
        with Live(console=console, refresh_per_second=10) as display:
            for file in follow(client, accepted["file_id"]):
                display.update(drawing.live(file))
    else:
        told: set[str] = set()
        for file in follow(client, accepted["file_id"]):
            for analysis in (file.get("run") or {}).get("analyses", ()):
                if analysis["status"] in ("completed", "failed") and analysis["analyzer"] not in told:
                    told.add(analysis["analyzer"])
                    console.print(f"  {drawing.analysis_line(analysis)}", markup=False)
    for line in [*drawing.report(file["run"]), *drawing.inside(file), *drawing.artifacts(file)]:
        console.print(line)
    if artifacts_follow(file):
        console.print(f"Artifacts follow: assay status {accepted['file_id']}", markup=False)
    console.print()
    return file


def _last(client: Client, accepted: Json) -> Json:
    """The answer of the API with the report; a program that asks once wants the artifacts too, if they come soon."""
    for _ in follow(client, accepted["file_id"]):
        pass
    until = time.monotonic() + ARTIFACTS_S
    while True:
        file = client.get(f"/api/v1/files/{accepted['file_id']}")
        if not artifacts_follow(file) or time.monotonic() > until:
            return file
        time.sleep(ASK_AGAIN_S)
