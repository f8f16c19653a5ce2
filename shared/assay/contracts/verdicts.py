"""Verdict, evidence, artifact and report: what an examination concludes."""

from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from assay.contracts.base import Body

INCONCLUSIVE = "inconclusive"
NOT_APPLICABLE = "not_applicable"
NO_FINDINGS = "no_findings"

RunStatus = Literal["queued", "running", "analyzed", "partially_analyzed", "failed"]


class Evidence(Body):
    """One reason for a verdict, in words that a person understands."""

    text: str = Field(min_length=1, max_length=1000, examples=["The upper left was compressed twice, the rest once."])
    weight: float = Field(
        default=0.0,
        description="Log-odds (natural logarithm) that it adds to the claim; negative speaks against it, 0: context",
    )
    where: dict[str, Any] | None = Field(
        default=None,
        description="Where in the file it points: {box: [x, y, width, height]} in pixels, {start_s, end_s}, {page}, …; "
        "in a report {analyzer}, and {derived_file_id} for what was seen in a file found inside",
        examples=[{"box": [64, 32, 128, 128]}],
    )


class Artifact(Body):
    """A file that an analyzer made to be looked at or used. Its bytes lie in object storage under `key`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$", examples=["heatmap.png"])
    media_type: str = Field(examples=["image/png"])
    size: int = Field(ge=0, description="Bytes")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    key: str = Field(description="S3 key in Assay's bucket")
    title: str | None = Field(default=None, description="What a person sees in it, one sentence")


class Verdict(Body):
    """What one analysis concluded."""

    label: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,63}$",
        description="One of the labels of the analyzer's manifest, or inconclusive, or not_applicable",
        examples=["manipulated", "synthetic", "authentic", "no_findings", "inconclusive", "not_applicable"],
    )
    claim: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,63}$",
        description="The claim that the score is about",
        examples=["manipulated", "synthetic"],
    )
    score: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Calibrated probability that the claim is true; null where the analyzer cannot tell",
    )
    confidence: float = Field(ge=0, le=1, description="How far it trusts its score on a file like this")
    evidence: tuple[Evidence, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    details: dict[str, Any] = Field(default_factory=dict, description="What the analyzer measured, in its own terms")
    weights_sha256: str | None = Field(
        default=None, description="Hash of the weights that judged; null without weights"
    )
    reused_from: UUID | None = Field(default=None, description="The run whose verdict on the same bytes was taken over")


class MissingAnalysis(Body):
    """An analyzer of the plan that gave no verdict, and why."""

    analyzer: str
    code: str = Field(examples=["timed_out", "derived_file_not_finished"])
    derived_file_id: UUID | None = Field(
        default=None, description="The file found inside in which it is missing; null: the file itself"
    )


class ClaimScore(Body):
    """What all verdicts on one claim say together."""

    claim: str = Field(examples=["synthetic"])
    label: str = Field(examples=["no_findings"])
    score: float | None = Field(default=None, ge=0, le=1, description="Null where no analyzer could tell")
    confidence: float = Field(ge=0, le=1)


class Report(Body):
    """A run's fused conclusion. It is never changed: later news is a new run."""

    label: str = Field(examples=["manipulated"])
    claim: str | None = Field(default=None, description="The claim that the score is about; null without a score")
    score: float | None = Field(default=None, ge=0, le=1)
    confidence: float = Field(ge=0, le=1)
    claims: tuple[ClaimScore, ...] = Field(
        default=(),
        description="Each claim that a verdict was about, by name. The label, claim and score beside them are those of "
        "the one that matters most, or of a file found inside",
    )
    summary: str = Field(description="The conclusion and its reason, in sentences for a person")
    evidence: tuple[Evidence, ...] = Field(
        default=(), description="The strongest evidence first; `analyzer` in `where`"
    )
    missing: tuple[MissingAnalysis, ...] = ()
