"""`assay status`: one file's report, or the stack and the newest files."""

import json
from typing import Annotated

import httpx
import typer
from rich.console import Console

from assay.cli import drawing
from assay.cli.client import Client
from assay.cli.connection import Connection, connect
from assay.cli.errors import CommandError


def status(
    file_id: Annotated[str | None, typer.Argument(help="A file; without it, the stack and your newest files")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON")] = False,
) -> None:
    """Show a file with its analyses and report, or whether everything runs and what came last."""
    connection = connect()
    console = Console(highlight=False, soft_wrap=True)
    with Client(connection) as client:
        if file_id is None:
            ready = _readiness(connection)
            listed = client.get("/api/v1/files", limit=10)
            if as_json:
                typer.echo(json.dumps({"ready": ready, "files": listed["items"]}))
                return
            console.print(f"{connection.url}  {ready['status']}", markup=False)
            for file in listed["items"]:
                label = ((file.get("run") or {}).get("report") or {}).get("label") or file["status"]
                console.print(f"  {file['file_id']}  {label:<20}{drawing.title(file)}", markup=False)
            return
        file = client.get(f"/api/v1/files/{file_id}")
        parent = client.get(f"/api/v1/files/{file['parent_file_id']}") if file["parent_file_id"] else None
    if as_json:
        typer.echo(json.dumps(file))
        return
    console.print("\n".join(drawing.heading(file)), markup=False)
    if parent is not None:
        console.print(drawing.origin(file, parent), markup=False)
    for analysis in file["run"]["analyses"]:
        console.print(f"  {drawing.analysis_line(analysis)}", markup=False)
    for line in [
        *drawing.report(file["run"]),
        *drawing.inside(file),
        *drawing.artifacts(file),
        *drawing.feedback(file),
    ]:
        console.print(line)


def _readiness(connection: Connection) -> dict[str, object]:
    try:
        answer: dict[str, object] = httpx.get(f"{connection.url}/readyz", timeout=10).json()
    except (httpx.TransportError, ValueError) as error:
        raise CommandError(f"nothing answers at {connection.url}. Start Assay with `make up`") from error
    return answer
