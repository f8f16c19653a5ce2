"""`assay analyzers`: who examines what."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from assay.cli import drawing
from assay.cli.client import Client
from assay.cli.connection import connect


def analyzers(as_json: Annotated[bool, typer.Option("--json", help="Print the manifests as JSON")] = False) -> None:
    """List the analyzers at work: version, media types, labels, what they look for."""
    with Client(connect()) as client:
        items = client.get("/api/v1/analyzers")["items"]
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
