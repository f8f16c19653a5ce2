"""The verdict's details: what was read, small and in JSON's own types."""

from typing import Any

from assay.inference.analyzers.provenance.credentials import Action, Credentials
from assay.inference.analyzers.provenance.metadata import Metadata
from assay.inference.analyzers.provenance.reading import Reading, printable

MAX_ITEMS = 30


def details(reading: Reading) -> dict[str, Any]:
    """Details of one reading, at most about 40 KiB however much the file says."""
    return {
        "c2pa": _credentials(reading.credentials, reading.metadata),
        "metadata": _metadata(reading.metadata),
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
    }


def _action(action: Action) -> dict[str, Any]:
    return {
        "action": printable(action.name, 100),
        "software_agent": _text(action.agent),
        "digital_source_type": _text(action.source_type),
        "in": "active_manifest" if action.active else "ingredient",
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
