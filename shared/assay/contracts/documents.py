"""The contract's documents, as the models say and as they are checked in."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.contracts import asyncapi
from assay.contracts.base import Event
from assay.contracts.registry import EVENTS

SCHEMAS = Path(__file__).parent / "schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

Documents = Mapping[str, dict[str, Any]]


def schema(event: type[Event]) -> dict[str, Any]:
    """JSON Schema 2020-12 of a body. A field with a default is not required: older records may lack it."""
    return {"$schema": DIALECT, "$id": f"urn:assay:schema:{event.type}", **event.model_json_schema()}


def documents() -> dict[str, dict[str, Any]]:
    """Every document by its file name, as the models say."""
    schemas = {f"{name}.json": schema(event) for name, event in EVENTS.items()}
    return {**schemas, "asyncapi.json": asyncapi.document()}


def checked_in(folder: Path = SCHEMAS) -> dict[str, dict[str, Any]]:
    """The documents as they lie in `schemas/`."""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def text_of(document: Mapping[str, Any]) -> str:
    """A document as it is written."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
