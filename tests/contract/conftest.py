"""One example of every event type, with every field set."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from assay.contracts import (
    AnalysisCompleted,
    AnalysisExplained,
    AnalysisFailed,
    AnalysisProgressed,
    AnalysisStarted,
    AnalyzerManifest,
    AnalyzerRegistered,
    Artifact,
    ClaimScore,
    Event,
    Evidence,
    FeedbackRecorded,
    FeedbackWithdrawn,
    FileDeleted,
    FileDerived,
    FileUploaded,
    MissingAnalysis,
    Report,
    RunCompleted,
    RunRequested,
    Verdict,
    Weights,
)

FILE = UUID("0199d3a0-0000-7000-8000-000000000001")
RUN = UUID("0199d3a0-0000-7000-8000-000000000002")
PARENT = UUID("0199d3a0-0000-7000-8000-000000000003")
AT = datetime(2026, 3, 1, 12, 30, 15, 250000, tzinfo=UTC)
SHA = "ab" * 32
ABOUT = {"occurred_at": AT, "file_id": FILE, "owner_id": "news-desk"}
BYTES = {"media_type": "image/jpeg", "size": 1234, "sha256": SHA, "object_key": f"files/{FILE}/content"}


def _verdict() -> Verdict:
    return Verdict(
        label="manipulated",
        claim="manipulated",
        score=0.97,
        confidence=0.8,
        evidence=(Evidence(text="Two histories of compression.", weight=3.5, where={"box": [1, 2, 30, 40]}),),
        artifacts=(Artifact(name="heatmap.png", media_type="image/png", size=9, sha256=SHA, key="k", title="Where"),),
        details={"grids": [0, 3], "quality": 75.5},
        weights_sha256=SHA,
        reused_from=PARENT,
    )


def _report() -> Report:
    return Report(
        label="manipulated",
        claim="manipulated",
        score=0.97,
        confidence=0.8,
        claims=(ClaimScore(claim="manipulated", label="manipulated", score=0.97, confidence=0.8),),
        summary="Parts of this picture were compressed at another time.",
        evidence=_verdict().evidence,
        missing=(MissingAnalysis(analyzer="provenance", code="timed_out"),),
    )


def _manifest() -> AnalyzerManifest:
    return AnalyzerManifest(
        name="jpeg-forensics",
        version="1.2.3",
        title="JPEG traces",
        description="Finds parts with another history.",
        media_types=("image/jpeg",),
        claims=("manipulated",),
        labels=("manipulated", "no_findings"),
        weights=(Weights(name="w.safetensors", sha256=SHA, source="made by a script", licence="Apache-2.0"),),
        domain="Photographs.",
        sources=("A paper",),
    )


def _all() -> tuple[Event, ...]:
    analysis = {**ABOUT, "run_id": RUN, "analyzer": "jpeg-forensics"}
    plan = ("jpeg-forensics", "provenance")
    return (
        FileUploaded(**ABOUT, **BYTES, filename="ü.jpg", declared_media_type="image/png", metadata={"desk": ["a", 1]}),
        FileDerived(
            **ABOUT,
            **BYTES,
            parent_file_id=PARENT,
            parent_run_id=RUN,
            derived_by="mail",
            depth=1,
            run_id=RUN,
            plan=plan,
            deadline=AT,
        ),
        RunRequested(**ABOUT, **BYTES, run_id=RUN, run_number=1, plan=plan, deadline=AT),
        FileDeleted(**ABOUT),
        AnalysisStarted(**analysis, version="1.2.3", attempt=1, device="cpu"),
        AnalysisProgressed(**analysis, attempt=1, sequence=2, stage="infer", fraction=0.5),
        AnalysisCompleted(
            **analysis, version="1.2.3", attempt=1, device="cpu", duration_ms=41, verdict=_verdict(), derived=(PARENT,)
        ),
        AnalysisExplained(**analysis, attempt=1, artifacts=_verdict().artifacts),
        AnalysisFailed(**analysis, version=None, attempt=0, code="timed_out", message="Nobody answered in time."),
        RunCompleted(
            **ABOUT,
            run_id=RUN,
            run_number=1,
            status="analyzed",
            sha256=SHA,
            media_type="image/jpeg",
            plan=plan,
            report=_report(),
        ),
        FeedbackRecorded(**ABOUT, feedback_id=PARENT, person="ann", label="authentic", analyzer=None, note="Seen it."),
        FeedbackWithdrawn(**ABOUT, feedback_id=PARENT, person="ann"),
        AnalyzerRegistered(occurred_at=AT, manifest=_manifest()),
    )


@pytest.fixture(scope="session")
def examples() -> dict[str, Event]:
    """By `ce_type`."""
    return {event.type: event for event in _all()}
