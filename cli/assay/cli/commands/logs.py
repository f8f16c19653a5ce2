"""`assay logs`: what the services said, of one trace or of all."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli.connection import home
from assay.cli.errors import CommandError

# Shown in front, or said already by the place of the line.
LEFT_OUT = {"timestamp", "level", "event", "service", "logger", "trace_id", "span_id"}


def logs(
    trace: Annotated[str | None, typer.Option(help="Only this trace; answers name it in `trace-id`")] = None,
    service: Annotated[str | None, typer.Option(help="Only this service")] = None,
    level: Annotated[str | None, typer.Option(help="Only this level, such as error")] = None,
) -> None:
    """Print log lines and, for a trace, its spans, of all services in the order of time."""
    folder = home()
    if not (folder / "logs").is_dir():
        raise CommandError(f"there are no logs in {folder}: run `make up`, or set ASSAY_HOME")
    lines = [
        (moment, text)
        for moment, text, entry in (*_log_lines(folder), *(_spans(folder) if trace else ()))
        if trace in (None, entry.get("trace_id"))
        and service in (None, entry.get("service"))
        and level in (None, entry.get("level"))
    ]
    if trace is not None and not lines:
        raise CommandError(f"nothing is known of trace {trace} in {folder}")
    for _, text in sorted(lines):
        typer.echo(text)


def _entries(paths: Iterator[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        with path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if not line.startswith("{"):
                    continue
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # the last line of a process that was killed while it wrote
                if isinstance(entry, dict):
                    yield entry


def _log_lines(folder: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for entry in _entries((folder / "logs").glob("*.log*")):
        moment = str(entry.get("timestamp", ""))
        fields = " ".join(f"{name}={value}" for name, value in entry.items() if name not in LEFT_OUT)
        event = f"{entry.get('service', '?'):<10} {entry.get('level', ''):<8} {entry.get('event', '')}"
        yield moment, f"{moment}  {event}  {fields}", entry


def _spans(folder: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for entry in _entries((folder / "traces").glob("*.ndjson*")):
        moment = datetime.fromtimestamp(entry["start_ns"] / 1e9, UTC).isoformat().replace("+00:00", "Z")
        took = (entry["end_ns"] - entry["start_ns"]) / 1e6
        yield moment, f"{moment}  {entry['service']:<10} span     {entry['name']}  {took:.1f} ms", entry
