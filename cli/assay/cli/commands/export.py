"""`assay export`: your files as one table, or a line of JSON for each."""

import sys
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import typer

from assay.cli import narrowing
from assay.cli.client import Client
from assay.cli.connection import connect
from assay.cli.errors import CommandError


def export(
    to: Annotated[Path | None, typer.Argument(help="A file to write; else it is printed")] = None,
    form: Annotated[Literal["ndjson", "csv"] | None, typer.Option("--format", help="Default: as TO ends")] = None,
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
) -> None:
    """Export all your files, or those that the options name."""
    wanted = narrowing.parameters(
        status, label, min_score, max_score, media_type, analyzer, since, until, name, sha256, sort
    )
    wanted["format"] = form or ("csv" if to is not None and to.suffix.lower() == ".csv" else "ndjson")
    with Client(connect()) as client:
        if to is None:
            client.download("/api/v1/export", sys.stdout.buffer, wanted)
            return
        # Whole or not at all: a broken export is not taken for a short one.
        partial = to.with_name(f"{to.name}.partial")
        try:
            with _opened(partial) as file:
                client.download("/api/v1/export", file, wanted)
            partial.replace(to)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    typer.echo(f"written to {to}")


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
