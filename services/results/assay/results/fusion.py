"""From verdicts to a report. Pure: the same verdicts give the same report, in whatever order they came.

**Score of a claim.** Every verdict gives a calibrated probability s that a claim is true, and how far it trusts that
(confidence c). What it adds to what was believed before is its log-odds over the prior, shrunk by its confidence:

    e = c * (logit(s) - logit(prior))        at most +-6.9 (a factor of 1000): no detector is beyond doubt
    logit(score) = logit(prior) + (u1 + u2/2 + u3/2 + …) - (d1 + d2/2 + …)

where u are the e above 0 and d the others' magnitudes, the strongest first. The prior is in every calibrated
probability, so it is taken out of each and put back once. Analyzers look at the same bytes and are not independent, so
of those that point the same way only the strongest counts in full. `inconclusive`, `not_applicable` and verdicts
without a score add nothing; the summary mentions them.

**Confidence of a claim.** The mean of the confidences on the side where the score lies, weighted by |e|, times the
agreement |u - d| / (u + d): two equally strong verdicts that contradict each other leave none.

**Signed declarations.** A verdict that rests on a valid content credential (`details.c2pa.validation_state` is Valid or
Trusted, and weighted evidence points to the manifest) is not shrunk, and detectors that contradict it take nothing from
the score; the contradiction is said and takes a quarter of the confidence.

**Label.** Each claim has a conclusion: the label of the strongest verdict on the side where the score lies, or
`inconclusive` where the agreement is under 0.4, where a media label has a score under 0.5, for `authentic` without
evidence of weight 4 or more, and where nobody gave a score and somebody cannot tell. The report takes the conclusion
that matters most: a finding, before a proof of authenticity, before an analyzer's own label without a score of 0.5 or
more (`ham`, `transcribed`), before `no_findings`, before `inconclusive`; of several findings the one with the highest
score. All are said in the summary, and `claims` has the score of each: where nothing was found, one number cannot speak
for several questions.

`authentic` stands against a weak finding, which then is mentioned; against a strong one (score 0.9 and confidence 0.5,
or more) the report is `inconclusive` and says both.

**Derived files.** What was found inside a file counts with its own report, which already speaks for what is further
inside. A finding in it becomes the whole file's conclusion, label, score and confidence, where the file itself has no
finding; against a proof of the file's own authenticity only a strong one, for a signature around something says little
about it. Of several the one with the highest score; the summary names three. A file to which no analyzer applies takes
`no_findings` where all that was found inside was examined and shows nothing. Nothing inside makes a file `authentic`.

Sources: Genest & Zidek, "Combining probability distributions: a critique and an annotated bibliography", Statistical
Science 1(1), 1986 (logarithmic pools); Satopää et al., "Combining multiple probability predictions using a simple logit
model", International Journal of Forecasting 30(2), 2014 (pooling in log-odds). The constants are choices, not fits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from assay.contracts import ClaimScore, Evidence, MissingAnalysis, Report, Verdict
from assay.contracts.verdicts import INCONCLUSIVE, NO_FINDINGS, NOT_APPLICABLE
from assay.results import wording
from assay.results.inside import Inside, is_strong
from assay.results.pooling import FINDING, PROVEN, UNDECIDED, Conclusion, conclude, voice

PRIOR = 0.5
"""Analyzers are calibrated on sets in which the claim holds for half of the files."""

EVIDENCE_SHOWN = 40
EVIDENCE_BYTES = 96 * 1024
"""All evidence of a report together, so that its event stays far below 256 KiB."""

_EVIDENCE = TypeAdapter(tuple[Evidence, ...])


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one analysis of the plan ended: with a verdict, or with an error's code."""

    analyzer: str
    verdict: Verdict | None
    error: str | None = None


def fuse(outcomes: Iterable[Outcome], *, inside: Inside | None = None, prior: float = PRIOR) -> Report:
    """The report of a run.

    outcomes: one for each analyzer of the plan; none where no analyzer takes such a file. inside: what was found in it.
    """
    ordered = sorted(outcomes, key=lambda each: each.analyzer)
    inside = inside or Inside()
    absent = _missing(ordered, inside)
    voices = [voice(each.analyzer, each.verdict, prior) for each in ordered if each.verdict is not None]
    claims = sorted({each.verdict.claim for each in voices})
    by_claim = [conclude(claim, [each for each in voices if each.verdict.claim == claim], prior) for claim in claims]
    conclusions = _weigh_proof(sorted(by_claim, key=_importance))
    best = conclusions[0] if conclusions else None
    label, claim, score, confidence = INCONCLUSIVE, None, None, 0.0
    if (raised := inside.raising(best)) is not None:
        label, claim, score, confidence = raised.label, raised.claim, raised.score, raised.confidence
    elif voices and all(each.verdict.label == NOT_APPLICABLE for each in voices) and inside.all_clean():
        label, confidence = NO_FINDINGS, min(each.report.confidence for each in inside.reports)
    elif best is not None:
        label = INCONCLUSIVE if best.rank == UNDECIDED else best.label
        claim, score, confidence = best.claim, best.score, best.confidence
    return Report(
        label=label,
        claim=claim if score is not None else None,
        score=_rounded(score),
        confidence=round(confidence, 4),
        claims=tuple(
            ClaimScore(
                claim=each.claim, label=each.label, score=_rounded(each.score), confidence=round(each.confidence, 4)
            )
            for each in by_claim
        ),
        summary=wording.summary(conclusions, voices, absent, inside),
        evidence=_evidence(ordered, inside),
        missing=absent,
    )


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 4)


def _importance(conclusion: Conclusion) -> tuple[int, bool, float, str]:
    return (conclusion.rank, conclusion.score is None, -(conclusion.score or 0.0), conclusion.claim)


def _weigh_proof(conclusions: list[Conclusion]) -> list[Conclusion]:
    """A proof of authenticity comes before weak findings; with strong ones against it, nothing is decided."""
    proof = next((each for each in conclusions if each.rank == PROVEN), None)
    findings = [each for each in conclusions if each.rank == FINDING]
    if proof is None or not findings:
        return conclusions
    if any(is_strong(each.score, each.confidence) for each in findings):
        first = replace(findings[0], label=INCONCLUSIVE, rank=UNDECIDED, confidence=findings[0].confidence / 2)
        return [first, *conclusions]
    return [proof, *(each for each in conclusions if each is not proof)]


def _missing(outcomes: Sequence[Outcome], inside: Inside) -> tuple[MissingAnalysis, ...]:
    failed = [
        MissingAnalysis(analyzer=each.analyzer, code=each.error or "failed")
        for each in outcomes
        if each.verdict is None
    ]
    return (*failed, *inside.missing())


def _evidence(outcomes: Sequence[Outcome], inside: Inside) -> tuple[Evidence, ...]:
    """All evidence, the strongest first, each saying whose it is. Of verdicts that cannot tell it is context only.

    Evidence in a file inside names that file, however deep it lies.
    """
    found: list[dict[str, Any]] = []
    for outcome in outcomes:
        if outcome.verdict is None:
            continue
        counts = outcome.verdict.label not in ("inconclusive", "not_applicable")
        for each in outcome.verdict.evidence:
            where = {**(each.where or {}), "analyzer": outcome.analyzer}
            found.append({"text": each.text, "weight": each.weight if counts else 0.0, "where": where})
    for child in inside.reports:
        for each in child.report.evidence:
            where = {"derived_file_id": str(child.file_id), **(each.where or {})}
            found.append({"text": each.text, "weight": each.weight, "where": where})
    found.sort(key=_strength)  # stable: equals stay in the order of their analyzers
    shown = _EVIDENCE.validate_python(found[:EVIDENCE_SHOWN])
    if len(_EVIDENCE.dump_json(shown)) <= EVIDENCE_BYTES:
        return shown
    room = EVIDENCE_BYTES
    for number, each in enumerate(shown):
        room -= len(each.model_dump_json())
        if room < 0:
            return shown[:number]
    return shown


def _strength(evidence: Mapping[str, Any]) -> float:
    weight: float = evidence["weight"]
    return -abs(weight)
