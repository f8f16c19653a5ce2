"""Judgements and pictures made for the tests."""

from pathlib import Path

from assay.contracts import Verdict
from evaluation.judging import Judgement
from evaluation.sets import Labelled


def judgement(
    truth: bool,
    raw: float | None,
    label: str = "no_findings",
    *,
    score: float | None = None,
    source: str = "",
    claim: str = "synthetic",
    name: str = "picture",
) -> Judgement:
    """What an analyzer might have said; label "failed" for an analysis without a verdict."""
    picture = Labelled(Path(name), truth, source or f"{truth} {raw} {name}")
    if label == "failed":
        return Judgement(picture, None, None, "media_unreadable", 0.0)
    verdict = Verdict(label=label, claim=claim, score=score, confidence=1.0)
    return Judgement(picture, verdict, raw, None, 0.0)
