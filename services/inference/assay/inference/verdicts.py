"""From an analyzer's finding to the verdict that is published: checked against the manifest, and bounded."""

import hashlib
import json
from typing import Any

from pydantic import ValidationError

from assay.contracts import AnalyzerManifest, Artifact, Evidence, Verdict
from assay.inference.errors import AnalyzerBrokenError
from assay.sdk import INCONCLUSIVE, NOT_APPLICABLE, Finding, Rendering

MAX_EVIDENCE = 64
MAX_EVIDENCE_BYTES = 96 * 1024
MAX_DETAILS_BYTES = 64 * 1024
DETAILS = "details.json"


def weights_hash(manifest: AnalyzerManifest) -> str | None:
    """The hash of the weights that judge: of the one file, or of the sorted hashes of several, a line each."""
    hashes = sorted(weights.sha256 for weights in manifest.weights)
    if len(hashes) < 2:
        return hashes[0] if hashes else None
    return hashlib.sha256("".join(f"{each}\n" for each in hashes).encode()).hexdigest()


def bounded(finding: Finding) -> tuple[dict[str, Any], list[Rendering]]:
    """The details that travel in the event, and the artifact that holds them where they are too large for it.

    Raises AnalyzerBrokenError where they are not JSON.
    """
    try:
        text = json.dumps(finding.details, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise AnalyzerBrokenError(f"the details of its finding are not JSON: {error}") from error
    data = text.encode("utf-8", errors="replace")
    if len(data) <= MAX_DETAILS_BYTES:
        return finding.details, []
    whole = Rendering(DETAILS, "application/json", data, "Everything that the analyzer measured.")
    return {"artifact": DETAILS, "bytes": len(data)}, [whole]


def conclude(
    manifest: AnalyzerManifest, finding: Finding, details: dict[str, Any], artifacts: tuple[Artifact, ...]
) -> Verdict:
    """The verdict. Raises AnalyzerBrokenError where the finding says what its manifest does not allow."""
    if finding.label not in (*manifest.labels, INCONCLUSIVE):
        raise AnalyzerBrokenError(f"the label {finding.label!r} is not in its manifest")
    if finding.claim not in manifest.claims:
        raise AnalyzerBrokenError(f"the claim {finding.claim!r} is not in its manifest")
    try:
        return Verdict(
            label=finding.label,
            claim=finding.claim,
            score=finding.score,
            confidence=finding.confidence,
            evidence=_strongest(finding.evidence),
            artifacts=artifacts,
            details=details,
            weights_sha256=weights_hash(manifest),
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise AnalyzerBrokenError(f"its finding: {first['loc']}: {first['msg']}") from error


def not_applicable(manifest: AnalyzerManifest, reason: str) -> Verdict:
    """The verdict of an analyzer that has nothing to say about the file."""
    text = reason[:1000] or "This analyzer has nothing to say about such a file."
    return Verdict(
        label=NOT_APPLICABLE,
        claim=manifest.claims[0],
        confidence=0.0,
        evidence=(Evidence(text=text),),
        weights_sha256=weights_hash(manifest),
    )


def _strongest(evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """As much of it, from the first, as fits into an event."""
    kept: list[Evidence] = []
    size = 0
    for each in evidence[:MAX_EVIDENCE]:
        size += len(each.model_dump_json().encode())
        if size > MAX_EVIDENCE_BYTES:
            break
        kept.append(each)
    return tuple(kept)
