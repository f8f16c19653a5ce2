"""What several verdicts on one claim say together: log-odds, agreement, label. Explained in `fusion.py`."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from assay.contracts import Verdict
from assay.contracts.verdicts import INCONCLUSIVE, NO_FINDINGS, NOT_APPLICABLE

AUTHENTIC = "authentic"
MEDIA_LABELS = frozenset({"manipulated", "synthetic"})
SILENT = frozenset({INCONCLUSIVE, NOT_APPLICABLE})
MOST = 6.9
FURTHER = 0.5
LEAST_AGREEMENT = 0.4
CONTRADICTED = 0.75
PROOF = 4.0
LEAST_SCORE = 1e-6

FINDING, PROVEN, OWN_LABEL, NOTHING, UNDECIDED = range(5)
"""Ranks of conclusions: the smaller one matters more."""

_SAYING_LITTLE = (INCONCLUSIVE, NO_FINDINGS, NOT_APPLICABLE)
"""Labels without a score, in the order in which they speak for their claim."""


@dataclass(frozen=True, slots=True)
class Voice:
    """One verdict. `weight`: what it adds to its claim, log-odds over the prior; None where it adds nothing."""

    analyzer: str
    verdict: Verdict
    weight: float | None
    signed: bool

    @property
    def strength(self) -> float:
        return abs(self.weight or 0.0)

    @property
    def is_silent(self) -> bool:
        return self.verdict.label in SILENT

    @property
    def proves(self) -> bool:
        """True where it names evidence that nobody gets by chance: odds of 50 to 1, either way."""
        return any(abs(each.weight) >= PROOF for each in self.verdict.evidence)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What all voices on one claim say together."""

    claim: str
    label: str
    score: float | None
    confidence: float
    rank: int
    leading: Voice
    opposing: tuple[Voice, ...]


def logit(probability: float) -> float:
    """Log-odds; finite for 0 and 1 too."""
    bounded = min(1 - LEAST_SCORE, max(LEAST_SCORE, probability))
    return math.log(bounded / (1 - bounded))


def probability(log_odds: float) -> float:
    """The inverse of `logit`."""
    return 1 / (1 + math.exp(-log_odds))


def voice(analyzer: str, verdict: Verdict, prior: float) -> Voice:
    """A verdict and what it adds."""
    signed = _rests_on_signature(verdict)
    weight = None
    if verdict.score is not None and verdict.label not in SILENT:
        over_prior = logit(verdict.score) - logit(prior)
        weight = max(-MOST, min(MOST, over_prior * (1.0 if signed else verdict.confidence)))
    return Voice(analyzer, verdict, weight, signed)


def _rests_on_signature(verdict: Verdict) -> bool:
    credentials = verdict.details.get("c2pa")
    valid = isinstance(credentials, dict) and credentials.get("validation_state") in ("Valid", "Trusted")
    return valid and any(each.weight and "manifest" in (each.where or {}) for each in verdict.evidence)


def conclude(claim: str, voices: Iterable[Voice], prior: float) -> Conclusion:
    """Pool the voices on one claim; there is at least one."""
    ordered = sorted(voices, key=lambda each: (-each.strength, each.analyzer))
    heard = [each for each in ordered if each.weight is not None]
    if not heard:
        return _without_score(claim, ordered)
    signed = [each for each in heard if each.signed]
    up, down = _discounted(heard, 1), _discounted(heard, -1)
    agreement = abs(up - down) / (up + down) if up + down else 1.0
    if signed and _discounted(signed, 1) != _discounted(signed, -1):
        # A valid signature is a fact; a detector that says otherwise takes nothing from it, but is not passed over.
        side = 1 if _discounted(signed, 1) > _discounted(signed, -1) else -1
        agreement = CONTRADICTED if (down if side > 0 else up) else 1.0
        up, down = (up, 0.0) if side > 0 else (0.0, down)
    score = probability(logit(prior) + max(-MOST, min(MOST, up - down)))
    side = 1 if up >= down else -1
    supporting = [each for each in heard if (each.weight or 0.0) * side >= 0]
    opposing = tuple(each for each in heard if (each.weight or 0.0) * side < 0)
    leading = supporting[0]
    confidence = _mean_confidence(supporting) * agreement
    label = leading.verdict.label
    contradictory = agreement < LEAST_AGREEMENT
    unproven = label == AUTHENTIC and not leading.proves
    overturned = label in MEDIA_LABELS and score < 0.5
    if contradictory or unproven or overturned:
        label = INCONCLUSIVE
    return Conclusion(claim, label, score, confidence, rank(label, score), leading, opposing)


def _discounted(voices: Sequence[Voice], side: int) -> float:
    """Sum on one side: the strongest in full, others half, because all look at the same bytes."""
    same = sorted((each.strength for each in voices if (each.weight or 0.0) * side > 0), reverse=True)
    return sum(strength if number == 0 else strength * FURTHER for number, strength in enumerate(same))


def _mean_confidence(voices: Sequence[Voice]) -> float:
    total = sum(each.strength for each in voices)
    if not total:
        return sum(each.verdict.confidence for each in voices) / len(voices)
    return sum(each.strength * each.verdict.confidence for each in voices) / total


def _without_score(claim: str, voices: Sequence[Voice]) -> Conclusion:
    """Nobody gave a score: an analyzer's own label stands for itself, before doubt, before no findings.

    Finding nothing without a score proves nothing (no declaration, no mark): who looked closer and cannot tell knows
    more of this claim.
    """

    def importance(each: Voice) -> tuple[int, float, str]:
        label = each.verdict.label
        order = _SAYING_LITTLE.index(label) + NOTHING if label in _SAYING_LITTLE else rank(label, None)
        return (order, -each.verdict.confidence, each.analyzer)

    leading = min(voices, key=importance)
    label = leading.verdict.label
    if label == AUTHENTIC and not leading.proves:
        label = INCONCLUSIVE
    return Conclusion(claim, label, None, leading.verdict.confidence, rank(label, None), leading, ())


def rank(label: str, score: float | None) -> int:
    """How much a conclusion with this label matters."""
    if label in SILENT:
        return UNDECIDED
    if label == NO_FINDINGS:
        return NOTHING
    if label == AUTHENTIC:
        return PROVEN
    if label in MEDIA_LABELS:
        return FINDING
    return FINDING if score is not None and score >= 0.5 else OWN_LABEL
