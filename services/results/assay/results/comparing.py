"""What changed from one run of a file to another. Pure."""

from collections.abc import Iterable
from typing import Literal

from assay.contracts import Evidence
from assay.results.schemas import (
    AnalysisBrief,
    AnalysisChange,
    AnalysisView,
    ReportChange,
    RunBrief,
    RunChanges,
    RunView,
)

BRIEF = ("version", "status", "label", "score", "confidence", "claim", "error")
"""What of an analysis is compared. That a worker took longer, or another device, is no change of what it says."""


def compare(before: RunView, after: RunView) -> RunChanges:
    """What `after` says that `before` did not, and the other way round."""
    old = {each.analyzer: each for each in before.analyses}
    new = {each.analyzer: each for each in after.analyses}
    analyses = [_change(name, old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys())]
    report = _report_change(before, after)
    return RunChanges(
        before=_brief(before),
        after=_brief(after),
        same=not report.changed and all(each.change == "same" for each in analyses),
        report=report,
        analyses=analyses,
    )


def _brief(run: RunView) -> RunBrief:
    return RunBrief(
        run_id=run.run_id,
        run_number=run.run_number,
        status=run.status,
        requested_at=run.requested_at,
        completed_at=run.completed_at,
        label=None if run.report is None else run.report.label,
        score=None if run.report is None else run.report.score,
    )


def _report_change(before: RunView, after: RunView) -> ReportChange:
    old, new = before.report, after.report
    names = ("label", "claim", "score", "confidence", "summary")
    changed = [each for each in names if getattr(old, each, None) != getattr(new, each, None)]
    if before.status != after.status:
        changed.insert(0, "status")
    gained, lost = _evidence(() if old is None else old.evidence, () if new is None else new.evidence)
    return ReportChange(
        changed=changed,
        score_change=_difference(None if old is None else old.score, None if new is None else new.score),
        evidence_gained=gained,
        evidence_lost=lost,
        missing_before=[] if old is None else sorted({each.analyzer for each in old.missing}),
        missing_after=[] if new is None else sorted({each.analyzer for each in new.missing}),
    )


def _change(name: str, before: AnalysisView | None, after: AnalysisView | None) -> AnalysisChange:
    old, new = _analysis_brief(before), _analysis_brief(after)
    if old is None or new is None:
        change: Literal["added", "removed", "changed", "same"] = "added" if old is None else "removed"
        return AnalysisChange(
            analyzer=name,
            change=change,
            changed=[],
            before=old,
            after=new,
            score_change=None,
            evidence_gained=[],
            evidence_lost=[],
        )
    changed = [each for each in BRIEF if getattr(old, each) != getattr(new, each)]
    gained, lost = _evidence(_said(before), _said(after))
    return AnalysisChange(
        analyzer=name,
        change="changed" if changed or gained or lost else "same",
        changed=changed,
        before=old,
        after=new,
        score_change=_difference(old.score, new.score),
        evidence_gained=gained,
        evidence_lost=lost,
    )


def _analysis_brief(analysis: AnalysisView | None) -> AnalysisBrief | None:
    if analysis is None:
        return None
    verdict = analysis.verdict
    return AnalysisBrief(
        version=analysis.version,
        status=analysis.status,
        label=None if verdict is None else verdict.label,
        score=None if verdict is None else verdict.score,
        confidence=None if verdict is None else verdict.confidence,
        claim=None if verdict is None else verdict.claim,
        error=analysis.error,
    )


def _said(analysis: AnalysisView | None) -> Iterable[Evidence]:
    return () if analysis is None or analysis.verdict is None else analysis.verdict.evidence


def _evidence(before: Iterable[Evidence], after: Iterable[Evidence]) -> tuple[list[str], list[str]]:
    """Sentences that came, and that went, each in its order."""
    old, new = [each.text for each in before], [each.text for each in after]
    return [each for each in new if each not in old], [each for each in old if each not in new]


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else round(after - before, 6)
