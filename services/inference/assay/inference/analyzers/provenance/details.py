"""The verdict's details: what was read, small and in JSON's own types."""

import json
from typing import Any

from assay.inference.analyzers.provenance.chain import Action
from assay.inference.analyzers.provenance.chain_report import manifest_details
from assay.inference.analyzers.provenance.credentials import Credentials
from assay.inference.analyzers.provenance.metadata import Metadata
from assay.inference.analyzers.provenance.printable import printable
from assay.inference.analyzers.provenance.reading import Reading

MAX_ITEMS = 30
MAX_CHAIN = 16 * 1024


def details(reading: Reading) -> dict[str, Any]:
    """Details of one reading, at most about 40 KiB however much the file says."""
    return {
        "c2pa": _credentials(reading.credentials, reading.metadata),
        "metadata": _metadata(reading.metadata),
        "consistency": _consistency(reading),
        "watermarks": [
            {
                "name": printable(mark.message.name, 100),
                "scheme": str(mark.message.scheme),
                "matching_bits": mark.matching,
                "bits": len(mark.message.bits),
                "chance": float(f"{mark.chance:.3g}"),
                "generator": mark.message.generator,
            }
            for mark in reading.marks
        ],
        "generators": [
            {
                "name": trace.generator,
                "kind": trace.kind,
                "field": printable(f"{trace.place}:{trace.key}"),
                "model": _text(trace.model),
                "excerpt": printable(trace.excerpt, 240),
                "characters": trace.size,
            }
            for trace in reading.metadata.traces[:MAX_ITEMS]
        ],
    }


def _text(value: str | None) -> str | None:
    return printable(value) if value else None


def _credentials(credentials: Credentials, metadata: Metadata) -> dict[str, Any]:
    return {
        "present": credentials.present,
        "validation_state": credentials.validation_state,
        "error": credentials.error,
        "remote_url": _text(credentials.remote_url or metadata.remote_manifest),
        "active_manifest": _text(credentials.active_manifest),
        "manifest_count": credentials.manifest_count,
        "claim_generator": _text(credentials.claim_generator),
        "issuer": _text(credentials.issuer),
        "common_name": _text(credentials.common_name),
        "algorithm": _text(credentials.algorithm),
        "signed_at": _text(credentials.signed_at),
        "failure_codes": [printable(c, 100) for c in credentials.failure[:MAX_ITEMS]],
        "ingredient_failure_codes": [printable(c, 100) for c in credentials.ingredient_failure[:MAX_ITEMS]],
        "digital_source_types": {
            "active": [printable(t, 100) for t in credentials.active_source_types[:MAX_ITEMS]],
            "any": [printable(t, 100) for t in credentials.all_source_types[:MAX_ITEMS]],
        },
        "actions": [_action(action) for action in credentials.actions[:MAX_ITEMS]],
        "action_count": len(credentials.actions),
        "chain": _chain(credentials),
    }


def _action(action: Action) -> dict[str, Any]:
    return {
        "action": printable(action.name, 100),
        "software_agent": _text(action.agent),
        "digital_source_type": _text(action.source_type),
        "in": "active_manifest" if action.active else "ingredient",
    }


def _chain(credentials: Credentials) -> list[dict[str, Any]]:
    """The first manifests, as many as fit; `credentials.json` has them all."""
    kept: list[dict[str, Any]] = []
    room = MAX_CHAIN
    for manifest in credentials.chain:
        each = manifest_details(manifest)
        room -= len(json.dumps(each))
        if room < 0:
            break
        kept.append(each)
    return kept


def _consistency(reading: Reading) -> dict[str, Any]:
    comparison = reading.thumbnail
    facts = reading.metadata.facts
    return {
        "oddities": [
            {"kind": oddity.kind, "weight": oddity.weight, "text": printable(oddity.text, 400)}
            for oddity in reading.oddities[:MAX_ITEMS]
        ],
        "thumbnail": None
        if comparison is None
        else {
            "outcome": str(comparison.outcome),
            "correlation": round(comparison.correlation, 3),
            "turn": comparison.turn,
            "box": None if comparison.box is None else [round(side, 3) for side in comparison.box],
        },
        "size": list(reading.seen.size) if reading.seen.size else None,
        "declared_size": list(facts.declared_size) if facts.declared_size else None,
        "dates": [{"field": date.field, "text": printable(date.text, 40)} for date in facts.dates],
        "history": [
            {"action": printable(s.action, 60), "agent": _text(s.agent), "when": _text(s.when)} for s in facts.history
        ],
    }


def _metadata(metadata: Metadata) -> dict[str, Any]:
    return {
        "container": metadata.container,
        "camera": _text(metadata.camera),
        "lens": _text(metadata.lens),
        "capture_settings": metadata.capture_settings,
        "position": metadata.position,
        "software": [printable(name, 100) for name in metadata.software],
        "created": _text(metadata.created),
        "credit": _text(metadata.credit),
        "digital_source_types": [{"field": printable(f), "type": printable(t, 100)} for f, t in metadata.source_types],
        "fields": dict(metadata.fields),
        "problems": list(metadata.problems),
    }
