"""Does a finding say what its manifest allows, and do two findings say the same?"""

import hashlib
import json
import math
from collections.abc import Iterator
from typing import Any

from assay.contracts.analyzers import AnalyzerManifest
from assay.contracts.verdicts import INCONCLUSIVE
from assay.sdk.analyzer import Finding
from assay.sdk.derived import Room


def faults_of_finding(manifest: AnalyzerManifest, finding: Finding) -> Iterator[str]:
    """One line for each thing that the engine would refuse."""
    if finding.label not in (*manifest.labels, INCONCLUSIVE):
        yield f"the label {finding.label!r} is not in the manifest"
    if finding.claim not in manifest.claims:
        yield f"the claim {finding.claim!r} is not in the manifest"
    if finding.score is not None and not 0 <= finding.score <= 1:
        yield f"the score {finding.score} is not between 0 and 1"
    if finding.label == INCONCLUSIVE and finding.score is not None:
        yield "an inconclusive finding has a score; its raw score belongs into the details"
    if not 0 <= finding.confidence <= 1:
        yield f"the confidence {finding.confidence} is not between 0 and 1"
    for evidence in finding.evidence:
        if not math.isfinite(evidence.weight):
            yield f"the evidence {evidence.text!r} has no finite weight"
    if finding.derived and not manifest.derives:
        yield "it derives files, and the manifest does not say `derives`"
    for name, value in (("details", finding.details), ("evidence", [each.where for each in finding.evidence])):
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            yield f"the {name} are not JSON: {error}"


def verdict_of(finding: Finding) -> dict[str, Any]:
    """What may not depend on the batch."""
    return {
        "label": finding.label,
        "claim": finding.claim,
        "score": finding.score,
        "confidence": finding.confidence,
        "evidence": len(finding.evidence),
    }


def whole(finding: Finding) -> dict[str, Any]:
    """All of a finding, for one and the same batch."""
    evidence = [each.model_dump(mode="json") for each in finding.evidence]
    derived = [hashlib.sha256(each.data).hexdigest() for each in finding.derived]
    return verdict_of(finding) | {"evidence": evidence, "details": finding.details, "derived": derived}


def faults_of_derived(finding: Finding, room: Room) -> Iterator[str]:
    """One line for each limit that the derived files pass. The engine would drop what is too much."""
    sizes = [len(each.data) for each in finding.derived]
    if len(sizes) > room.files:
        yield f"{len(sizes)} derived files; there is room for {room.files}"
    if sum(sizes) > room.bytes:
        yield f"{sum(sizes)} bytes in derived files; there is room for {room.bytes}"
    if 0 in sizes:
        yield "a derived file is empty"


def differences(one: Any, other: Any, tolerance: float, at: str = "") -> Iterator[str]:
    """Where two JSON values differ; numbers by more than the tolerance (absolute under 1, else relative)."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys(), key=str):
            yield from differences(one.get(key), other.get(key), tolerance, f"{at}.{key}" if at else str(key))
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for number, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from differences(first, second, tolerance, f"{at}[{number}]")
    elif _is_number(one) and _is_number(other):
        if not math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance):
            yield f"{at}: {one} and {other}"
    elif one != other:
        yield f"{at}: {one!r} and {other!r}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
