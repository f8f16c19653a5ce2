"""Rows as HTTP bodies. Every link is absolute."""

from collections.abc import Sequence
from urllib.parse import quote
from uuid import UUID

from assay.contracts import Report, Verdict
from assay.results.schemas import (
    AnalysisView,
    ArtifactView,
    DerivedView,
    ErrorView,
    FeedbackView,
    FileLinks,
    FileView,
    ReportView,
    RunBrief,
    RunView,
    SelfLink,
    VerdictView,
)
from assay.results.tables import Analysis, File, Run
from assay.shared.clock import now
from assay.shared.ids import made_at


class Views:
    """Knows the origin that links begin with."""

    def __init__(self, public_url: str) -> None:
        self._origin = public_url.rstrip("/")

    def file(
        self,
        file: File,
        run: Run | None,
        analyses: Sequence[Analysis],
        derived: Sequence[File],
        feedback: Sequence[FeedbackView],
    ) -> FileView:
        return FileView(
            file_id=file.file_id,
            parent_file_id=file.parent_file_id,
            filename=file.filename,
            size=file.size,
            sha256=file.sha256,
            media_type=file.media_type,
            # Until the event that says so is read, the id tells nearly the same.
            created_at=file.created_at or made_at(file.file_id),
            status=file.status,
            metadata=file.user_metadata or {},
            run=None if run is None else self.run(run, analyses),
            derived=[self._derived(child) for child in derived],
            feedback=list(feedback),
            links=self._file_links(file.file_id),
        )

    def run(self, run: Run, analyses: Sequence[Analysis]) -> RunView:
        order = {name: number for number, name in enumerate(run.plan or ())}
        return RunView(
            run_id=run.run_id,
            run_number=run.run_number,
            status=run.status,
            deadline=run.deadline,
            requested_at=run.requested_at,
            completed_at=run.completed_at,
            analyses=[
                self._analysis(run, each)
                for each in sorted(analyses, key=lambda each: (order.get(each.analyzer, len(order)), each.analyzer))
            ],
            report=None if run.report is None else _report(Report.model_validate(run.report)),
        )

    def brief(self, run: Run) -> RunBrief:
        return RunBrief(
            run_id=run.run_id,
            run_number=run.run_number,
            status=run.status,
            requested_at=run.requested_at,
            completed_at=run.completed_at,
            label=run.label,
            score=run.score,
        )

    def _analysis(self, run: Run, analysis: Analysis) -> AnalysisView:
        return AnalysisView(
            analyzer=analysis.analyzer,
            version=analysis.version,
            status=analysis.status,
            stage=analysis.stage,
            fraction=analysis.fraction,
            attempt=analysis.attempt,
            queued_at=analysis.queued_at,
            started_at=analysis.started_at,
            completed_at=analysis.completed_at,
            duration_ms=analysis.duration_ms,
            device=analysis.device,
            verdict=None if analysis.verdict is None else self._verdict(run, analysis),
            error=None
            if analysis.error_code is None
            else ErrorView(code=analysis.error_code, message=analysis.error_message or ""),
        )

    def _verdict(self, run: Run, analysis: Analysis) -> VerdictView:
        verdict = Verdict.model_validate(analysis.verdict)
        address = f"{self._origin}/api/v1/files/{run.file_id}/artifacts/{quote(analysis.analyzer, safe='')}"
        which = "" if run.run_number is None else f"?run={run.run_number}"
        return VerdictView(
            label=verdict.label,
            score=verdict.score,
            confidence=verdict.confidence,
            claim=verdict.claim,
            evidence=list(verdict.evidence),
            artifacts=[
                ArtifactView(
                    name=each.name,
                    media_type=each.media_type,
                    title=each.title,
                    size=each.size,
                    links=SelfLink(self=f"{address}/{each.name}{which}"),
                )
                for each in verdict.artifacts
            ],
            artifacts_follow=artifacts_follow(run, analysis),
            details=verdict.details,
            weights_sha256=verdict.weights_sha256,
            reused_from=verdict.reused_from,
        )

    def _derived(self, file: File) -> DerivedView:
        return DerivedView(
            file_id=file.file_id,
            derived_by=file.derived_by,
            depth=file.depth,
            media_type=file.media_type,
            size=file.size,
            sha256=file.sha256,
            status=file.status,
            label=file.label,
            score=file.score,
            links=self._file_links(file.file_id),
        )

    def _file_links(self, file_id: UUID) -> FileLinks:
        address = f"{self._origin}/api/v1/files/{file_id}"
        return FileLinks(self=address, events=f"{address}/events", web=f"{self._origin}/files/{file_id}")


def artifacts_follow(run: Run, analysis: Analysis) -> bool:
    """Whether artifacts may still come. A worker that lost the file never sends them, so nobody waits for ever."""
    return analysis.artifacts_follow and (run.deadline is None or now() < run.deadline)


def _report(report: Report) -> ReportView:
    return ReportView(
        label=report.label,
        claim=report.claim,
        score=report.score,
        confidence=report.confidence,
        summary=report.summary,
        evidence=list(report.evidence),
        missing=list(report.missing),
    )
