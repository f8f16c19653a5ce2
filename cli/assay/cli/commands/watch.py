"""`assay watch`: what happens, live."""

import json
from typing import Annotated, Any

import typer

from assay.cli import drawing
from assay.cli.client import Client
from assay.cli.connection import connect
from assay.cli.following import events


def watch(
    file_id: Annotated[str | None, typer.Argument(help="One file; all of yours otherwise")] = None,
    until: Annotated[str | None, typer.Option(help="`completed`: end after the file's report")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as JSON")] = False,
) -> None:
    """Print each event as it comes; Ctrl-C ends it. Goes on by itself when the connection breaks."""
    path = f"/api/v1/files/{file_id}/events" if file_id else "/api/v1/events"
    with Client(connect()) as client:
        for kind, event in events(client, path, until=until):
            typer.echo(json.dumps({"event": kind, "data": event}) if as_json else _line(kind, event))


def _line(kind: str, event: dict[str, Any]) -> str:
    if kind == "snapshot":
        files = event.get("files", [event])
        lines = ["snapshot"]
        for each in files:
            lines.append(f"  {each['file_id']}  {each['status']:<20}{drawing.title(each)}")
            lines.extend(
                f"    {inside['file_id']}  {inside['label'] or inside['status']:<20}{inside['media_type']}"
                for inside in each.get("derived", ())
            )
        return "\n".join(lines)
    moment = str(event.get("occurred_at", ""))[11:23]
    words = [moment, str(event.get("file_id", "")), kind.removeprefix("assay.").removesuffix(".v1")]
    words.extend(str(event[name]) for name in ("analyzer", "stage", "code", "filename") if event.get(name))
    if "fraction" in event:
        words.append(f"{event['fraction']:.0%}")
    for conclusion in (event.get("verdict"), event.get("report")):
        if conclusion:
            words.append(conclusion["label"])
    words.extend(each["name"] for each in event.get("artifacts", ()))
    if event.get("artifacts_follow"):
        words.append("artifacts follow")
    if event.get("derived"):
        words.append(f"{len(event['derived'])} found inside")
    if event.get("parent_file_id"):
        by = f" by {event['derived_by']}" if "derived_by" in event else ""
        words.append(f"found in {event['parent_file_id']}{by}")
    return "  ".join(words)
