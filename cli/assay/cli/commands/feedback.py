"""`assay feedback`: say what a file really is, or take it back."""

from typing import Annotated

import typer

from assay.cli.client import Client
from assay.cli.connection import connect
from assay.cli.errors import CommandError


def feedback(
    file_id: Annotated[str, typer.Argument(help="A file, as `assay submit` printed it")],
    label: Annotated[
        str | None, typer.Argument(help="What it really is, such as authentic, manipulated or synthetic")
    ] = None,
    note: Annotated[str | None, typer.Option(help="For a person to read: how you know")] = None,
    analyzer: Annotated[str | None, typer.Option(help="Whose verdict you mean; else the report")] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take back what you said")] = False,
) -> None:
    """Say what a file really is. What you say later replaces it; no report changes."""
    if withdraw == (label is not None):
        raise CommandError("say a label, or --withdraw")
    path = f"/api/v1/files/{file_id}/feedback"
    with Client(connect()) as client:
        if withdraw:
            client.delete(path)
            typer.echo("withdrawn")
            return
        body = {"label": label, "note": note, "analyzer": analyzer}
        said = client.send("POST", path, {name: value for name, value in body.items() if value is not None})
    about = f"the verdict of {said['analyzer']}" if said["analyzer"] else "the report"
    run = f" in run {said['run_number']}" if said["run_number"] else ""
    typer.echo(f"recorded: {said['label']}, about {about}{run}")
