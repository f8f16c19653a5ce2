"""`assay compare`: what a later run of a file says otherwise."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console

from assay.cli import drawing
from assay.cli.client import Client
from assay.cli.connection import connect


def compare(
    file_id: Annotated[str, typer.Argument(help="A file with two runs or more")],
    before: Annotated[int | None, typer.Option(min=1, help="A run's number; default: the one before")] = None,
    after: Annotated[int | None, typer.Option(min=1, help="A run's number; default: the newest")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON")] = False,
) -> None:
    """Compare two runs of a file: the report, and analyzer by analyzer."""
    with Client(connect()) as client:
        changes = client.get(f"/api/v1/files/{file_id}/runs/compare", before=before, after=after)
    if as_json:
        typer.echo(json.dumps(changes))
        return
    console = Console(highlight=False, soft_wrap=True)
    old, new = changes["before"], changes["after"]
    console.print(f"run {old['run_number']} → run {new['run_number']}", markup=False)
    console.print(f"  {'report':<20}{_step(old, new)}", markup=False)
    for analysis in changes["analyses"]:
        console.print(f"  {analysis['analyzer']:<20}{_line(analysis)}", markup=False)
        for sign, sentences in (("+", analysis["evidence_gained"]), ("-", analysis["evidence_lost"])):
            for sentence in sentences:
                console.print(f"    {sign} {sentence}", markup=False)
    if changes["same"]:
        console.print("Both say the same, in every word.", markup=False)


def _line(analysis: dict[str, Any]) -> str:
    match analysis["change"]:
        case "added":
            return f"new: {_said(analysis['after'])}"
        case "removed":
            return f"no longer: {_said(analysis['before'])}"
        case "same":
            return f"the same: {_said(analysis['after'])}"
    step = _step(analysis["before"], analysis["after"])
    old, new = analysis["before"]["version"], analysis["after"]["version"]
    return f"{step}  (version {old} → {new})" if old != new else step


def _step(before: dict[str, Any], after: dict[str, Any]) -> str:
    old, new = _said(before), _said(after)
    return old if old == new else f"{old} → {new}"


def _said(one: dict[str, Any]) -> str:
    return f"{one['label'] or one['status']} {drawing.number(one['score'])}"
