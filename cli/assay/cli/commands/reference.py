"""`assay reference`: tables made from the code, so that they cannot be out of date."""

from enum import StrEnum
from typing import Annotated

import typer

from assay.cli.tables import errors, metrics, settings


class Table(StrEnum):
    """What there is a table of."""

    SETTINGS = "settings"
    ERRORS = "errors"
    METRICS = "metrics"


def reference(table: Annotated[Table, typer.Argument(help="settings, errors or metrics")]) -> None:
    """Print all settings, error codes or metrics as a Markdown table."""
    rows = {Table.SETTINGS: settings, Table.ERRORS: errors, Table.METRICS: metrics}[table]()
    head, *body = rows
    typer.echo("| " + " | ".join(head) + " |")
    typer.echo("| " + " | ".join("---" for _ in head) + " |")
    for row in body:
        typer.echo("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
