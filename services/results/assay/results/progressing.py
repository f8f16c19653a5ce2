"""What an event says of one analysis, in its row. Pure."""

from assay.contracts import (
    AnalysisCompleted,
    AnalysisExplained,
    AnalysisFailed,
    AnalysisProgressed,
    AnalysisStarted,
    Verdict,
)
from assay.contracts.analyses import AnalysisEvent
from assay.results.domain import is_news, storable, storable_json
from assay.results.rows import AnalysisRow


def apply(analysis: AnalysisRow, event: AnalysisEvent) -> None:
    """Take up news of an analysis that has not ended."""
    match event:
        case AnalysisCompleted():
            _complete(analysis, event)
        case AnalysisStarted():
            _start(analysis, event)
        case AnalysisProgressed():
            _progress(analysis, event)
        case AnalysisFailed():
            _fail(analysis, event)


def _start(analysis: AnalysisRow, event: AnalysisStarted) -> None:
    if event.attempt < analysis.attempt:
        return
    if event.attempt > analysis.attempt:
        analysis.stage, analysis.fraction, analysis.sequence = None, 0.0, 0
        analysis.started_at = None
    analysis.status = "running"
    analysis.attempt = event.attempt
    analysis.version = event.version
    analysis.device = event.device
    analysis.started_at = analysis.started_at or event.occurred_at


def _progress(analysis: AnalysisRow, event: AnalysisProgressed) -> None:
    if not is_news(event.attempt, event.sequence, known_attempt=analysis.attempt, known_sequence=analysis.sequence):
        return
    if event.attempt > analysis.attempt:
        analysis.fraction, analysis.started_at = 0.0, None
    analysis.status = "running"
    analysis.attempt, analysis.sequence = event.attempt, event.sequence
    analysis.stage = storable(event.stage)
    analysis.fraction = max(analysis.fraction, event.fraction)


def _complete(analysis: AnalysisRow, event: AnalysisCompleted) -> None:
    verdict = event.verdict
    analysis.status = "completed"
    analysis.version = event.version
    analysis.attempt = event.attempt
    analysis.stage, analysis.fraction = None, 1.0
    analysis.device = event.device
    analysis.completed_at = event.occurred_at
    analysis.duration_ms = event.duration_ms
    analysis.label, analysis.claim = verdict.label, verdict.claim
    analysis.score, analysis.confidence = verdict.score, verdict.confidence
    text = verdict.model_dump_json()
    analysis.verdict = storable_json(text)
    # What was changed is read again, so that a report says the same whether it is made now or from the table.
    analysis.heard = verdict if analysis.verdict is text else None
    analysis.artifacts_follow = event.artifacts_follow
    analysis.derived = list(event.derived)


def explain(analysis: AnalysisRow, event: AnalysisExplained) -> None:
    """Take up the artifacts that follow a verdict."""
    named = {each.name for each in event.artifacts}
    assert analysis.verdict is not None
    verdict = Verdict.model_validate_json(analysis.verdict)
    kept = [each for each in verdict.artifacts if each.name not in named]
    whole = verdict.model_copy(update={"artifacts": (*kept, *event.artifacts)})
    analysis.verdict, analysis.heard = storable_json(whole.model_dump_json()), None
    analysis.artifacts_follow = False


def _fail(analysis: AnalysisRow, event: AnalysisFailed) -> None:
    analysis.status = "failed"
    analysis.version = event.version or analysis.version
    analysis.attempt = max(event.attempt, analysis.attempt)
    analysis.completed_at = event.occurred_at
    analysis.error_code = storable(event.code)
    analysis.error_message = storable(event.message)
