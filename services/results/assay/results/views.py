"""Rows as HTTP bodies: plain objects with exactly the names and values of `schemas`. Every link is absolute.

`schemas` describes them to people and programs, and a test reads real answers with it. Here nothing is validated: what
lies in the tables was, when it came.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote
from uuid import UUID

from pydantic_core import from_json

from assay.results.schemas import FeedbackView
from assay.results.shown import ShownAnalysis, ShownChild, ShownRun
from assay.shared.clock import now
from assay.shared.ids import made_at

Json: TypeAlias = dict[str, Any]
"""Ready to be written as JSON: times and ids may be in it as such."""


class Views:
    """Knows the origin that links begin with."""

    def __init__(self, public_url: str) -> None:
        self._origin = public_url.rstrip("/")

    def file(self, row: Mapping[str, Any]) -> Json:
        """Of a row as `showing` reads it."""
        file_id: UUID = row["file_id"]
        run = row["shown_run"]
        return {
            "file_id": file_id,
            "parent_file_id": row["parent_file_id"],
            "filename": row["filename"],
            "size": row["size"],
            "sha256": row["sha256"],
            "media_type": row["media_type"],
            # Until the event that says so is read, the id tells nearly the same.
            "created_at": row["created_at"] or made_at(file_id),
            "status": row["status"],
            "metadata": row["metadata"] or {},
            "run": None if run is None else self.run(ShownRun._make(run), row["shown_analyses"] or ()),
            "derived": [self._derived(ShownChild._make(each)) for each in row["shown_derived"] or ()],
            "feedback": [
                dict(zip(FeedbackView.model_fields, said, strict=True)) for said in row["shown_feedback"] or ()
            ],
            "links": self._file_links(file_id),
        }

    def run(self, run: ShownRun, analyses: Iterable[Sequence[Any]]) -> Json:
        order = {name: number for number, name in enumerate(run.plan or ())}
        ordered = sorted(
            map(ShownAnalysis._make, analyses), key=lambda each: (order.get(each.analyzer, len(order)), each.analyzer)
        )
        return {
            "run_id": run.run_id,
            "run_number": run.run_number,
            "status": run.status,
            "deadline": run.deadline,
            "requested_at": run.requested_at,
            "completed_at": run.completed_at,
            "analyses": [self._analysis(run, each) for each in ordered],
            "report": None if run.report is None else _report(from_json(run.report)),
        }

    def brief(self, run: ShownRun) -> Json:
        return {
            "run_id": run.run_id,
            "run_number": run.run_number,
            "status": run.status,
            "requested_at": run.requested_at,
            "completed_at": run.completed_at,
            "label": run.label,
            "score": run.score,
        }

    def _analysis(self, run: ShownRun, analysis: ShownAnalysis) -> Json:
        return {
            "analyzer": analysis.analyzer,
            "version": analysis.version,
            "status": analysis.status,
            "stage": analysis.stage,
            "fraction": analysis.fraction,
            "attempt": analysis.attempt,
            "queued_at": analysis.queued_at,
            "started_at": analysis.started_at,
            "completed_at": analysis.completed_at,
            "duration_ms": analysis.duration_ms,
            "device": analysis.device,
            "verdict": None if analysis.verdict is None else self._verdict(run, analysis, from_json(analysis.verdict)),
            "error": None
            if analysis.error_code is None
            else {"code": analysis.error_code, "message": analysis.error_message or ""},
        }

    def _verdict(self, run: ShownRun, analysis: ShownAnalysis, verdict: Json) -> Json:
        address = f"{self._origin}/api/v1/files/{run.file_id}/artifacts/{quote(analysis.analyzer, safe='')}"
        which = "" if run.run_number is None else f"?run={run.run_number}"
        return {
            "label": verdict["label"],
            "score": verdict["score"],
            "confidence": verdict["confidence"],
            "claim": verdict["claim"],
            "evidence": verdict["evidence"],
            "artifacts": [
                {
                    "name": each["name"],
                    "media_type": each["media_type"],
                    "title": each["title"],
                    "size": each["size"],
                    "links": {"self": f"{address}/{each['name']}{which}"},
                }
                for each in verdict["artifacts"]
            ],
            "artifacts_follow": artifacts_follow(run, analysis),
            "details": verdict["details"],
            "weights_sha256": verdict["weights_sha256"],
            "reused_from": verdict["reused_from"],
        }

    def _derived(self, file: ShownChild) -> Json:
        return {**file._asdict(), "links": self._file_links(file.file_id)}

    def _file_links(self, file_id: UUID) -> Json:
        address = f"{self._origin}/api/v1/files/{file_id}"
        return {"self": address, "events": f"{address}/events", "web": f"{self._origin}/files/{file_id}"}


def artifacts_follow(run: ShownRun, analysis: ShownAnalysis) -> bool:
    """Whether artifacts may still come. A worker that lost the file never sends them, so nobody waits for ever."""
    return analysis.artifacts_follow and (run.deadline is None or now() < run.deadline)


def _report(report: Json) -> Json:
    return {
        "label": report["label"],
        "claim": report["claim"],
        "score": report["score"],
        "confidence": report["confidence"],
        "claims": report.get("claims", []),  # a report of before there were any
        "summary": report["summary"],
        "evidence": report["evidence"],
        "missing": report["missing"],
    }
