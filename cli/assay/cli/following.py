"""A file's state, kept up to date from its stream: a snapshot, then each event; a broken connection goes on by id."""

import json
import random
import time
from collections.abc import Iterator
from typing import Any

from assay.cli.client import Client, Json, StreamEnded
from assay.cli.errors import CommandError

RETRIES = 20
LONGEST_PAUSE_S = 5.0


def apply(file: Json, kind: str, event: Json) -> Json:
    """The file's state after one event. The request of a later run takes the place of the run that is shown; other
    events of other runs change nothing.

    A snapshot may be older than the request of the run, or know only some of its analyses: topics have no common order.
    """
    if kind == "snapshot":
        return event
    if "run_id" not in event:
        return file
    run = file.get("run")
    if run is None or _is_later(kind, event, run):
        run = {"run_id": event["run_id"], "status": "queued", "analyses": [], "report": None}
        run["run_number"] = event.get("run_number")
    if event["run_id"] != run["run_id"]:
        return file
    if kind == "assay.run.completed.v1":
        return {**file, "status": event["status"], "run": {**run, "status": event["status"], "report": event["report"]}}
    if kind == "assay.run.requested.v1":
        changed = {**file, "run": {**run, "analyses": _with(run["analyses"], event["plan"])}}
        return changed if run is file.get("run") else {**changed, "status": "queued"}
    if kind == "assay.analysis.explained.v1":
        analyses = [
            _explained(each, event) if each["analyzer"] == event["analyzer"] else each for each in run["analyses"]
        ]
        return {**file, "run": {**run, "analyses": analyses}}
    changes = _changes(kind, event)
    if changes is None:
        return file
    analyses = [
        {**each, **changes} if each["analyzer"] == event["analyzer"] and not _is_over(each) else each
        for each in _with(run["analyses"], [event["analyzer"]])
    ]
    return {**file, "run": {**run, "analyses": analyses}}


def _is_later(kind: str, event: Json, run: Json) -> bool:
    """True for the request of a run after the one that is shown."""
    shown = run.get("run_number")
    return kind == "assay.run.requested.v1" and shown is not None and event["run_number"] > shown


def _with(analyses: list[Json], names: list[str]) -> list[Json]:
    """The analyses, and those of the names that are not among them, queued."""
    known = {each["analyzer"] for each in analyses}
    missing = [name for name in names if name not in known]
    return [*analyses, *({"analyzer": name, "status": "queued", "stage": None, "fraction": 0.0} for name in missing)]


def _explained(analysis: Json, event: Json) -> Json:
    """The analysis with the artifacts that followed its verdict; the first that come, where any are to come."""
    verdict = analysis.get("verdict")
    if verdict is None or not verdict.get("artifacts_follow"):
        return analysis
    named = {each["name"] for each in event["artifacts"]}
    kept = [each for each in verdict["artifacts"] if each["name"] not in named]
    whole = {**verdict, "artifacts": [*kept, *event["artifacts"]], "artifacts_follow": False}
    return {**analysis, "verdict": whole}


def artifacts_follow(file: Json) -> bool:
    """Whether any verdict of the newest run is still without its artifacts."""
    verdicts = [each.get("verdict") for each in (file.get("run") or {}).get("analyses", ())]
    return any(each.get("artifacts_follow") for each in verdicts if each)


def _is_over(analysis: Json) -> bool:
    return analysis["status"] in ("completed", "failed")


def _changes(kind: str, event: Json) -> Json | None:
    match kind:
        case "assay.analysis.started.v1":
            return {"status": "running", "stage": None, "fraction": 0.0, "attempt": event["attempt"]}
        case "assay.analysis.progressed.v1":
            return {"status": "running", "stage": event["stage"], "fraction": event["fraction"]}
        case "assay.analysis.completed.v1":
            over: Json = {"status": "completed", "fraction": 1.0, "duration_ms": event["duration_ms"]}
            verdict = {**event["verdict"], "artifacts_follow": event.get("artifacts_follow", False)}
            return {**over, "verdict": verdict, **{name: event.get(name) for name in ("version", "derived")}}
        case "assay.analysis.failed.v1":
            return {"status": "failed", "error": {"code": event["code"], "message": event["message"]}}
    return None


def events(client: Client, path: str, *, until: str | None = None) -> Iterator[tuple[str, Any]]:
    """`(event, data)` of a stream, without end or until the report; reconnects by id where the connection breaks.

    Raises CommandError where the server stays away.
    """
    last_id: str | None = None
    failures = 0
    while True:
        try:
            for message in client.events(path, until=until, last_id=last_id):
                failures = 0
                last_id = message.id or last_id
                if message.data:
                    yield message.event, json.loads(message.data)
            if until is not None:
                return
        except StreamEnded:
            failures += 1
            if failures > RETRIES:
                raise CommandError(f"the stream {path} broke off and cannot be taken up again") from None
        time.sleep(random.uniform(0.2, min(LONGEST_PAUSE_S, 0.4 * 2**failures)))


def follow(client: Client, file_id: str) -> Iterator[Json]:
    """The file's states, until its report. A stream that began behind the report ends with the state as it is.

    So does one of a file with others inside: their labels are not in its stream.
    """
    path = f"/api/v1/files/{file_id}"
    file: Json = {}
    for kind, event in events(client, f"{path}/events", until="completed"):
        file = apply(file, kind, event)
        yield file
    run = file.get("run") or {}
    if run.get("report") is None or file.get("derived") or any(each.get("derived") for each in run["analyses"]):
        yield client.get(path)
