"""All services' OpenAPI documents as one. Pure."""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from assay.shared import problems

Document = dict[str, Any]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def merge(documents: Mapping[str, Document], *, server: str) -> Document:
    """One valid OpenAPI 3.1 document of the services' own, by service name.

    Schemas of one name but with different content get their service's name in front. Every operation answers problems.
    """
    merged: Document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Assay",
            "version": "0.1.0",
            "description": "What a file really is. Errors are `application/problem+json` with a stable `code`.",
        },
        "servers": [{"url": server}],
        "security": [{"bearer": []}, {"session": []}],
        "paths": {},
        "components": {
            "schemas": {"Problem": problems.SCHEMA},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "assay_session"},
            },
        },
    }
    for service in sorted(documents):
        document = _with_own_names(documents[service], service, merged["components"]["schemas"])
        merged["components"]["schemas"].update(document.get("components", {}).get("schemas", {}))
        for path, item in document.get("paths", {}).items():
            merged["paths"].setdefault(path, {}).update(item)
    for operation in operations(merged):
        answers = operation[2].setdefault("responses", {})
        # FastAPI promises its own form of validation errors; here they are problems like all others.
        answers.pop("422", None)
        answers.setdefault("default", problems.ANSWER)
    schemas = merged["components"]["schemas"]
    for name in [name for name in schemas if name.endswith(("HTTPValidationError", "ValidationError"))]:
        del schemas[name]
    return merged


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """(method, path, operation), by path."""
    for path in sorted(document["paths"]):
        for method in _METHODS:
            if method in document["paths"][path]:
                yield method.upper(), path, document["paths"][path][method]


def _with_own_names(document: Document, service: str, taken: Mapping[str, Any]) -> Document:
    """The document with each schema renamed whose name stands for something else already."""
    schemas = document.get("components", {}).get("schemas", {})
    renamed = {
        name: f"{service.capitalize()}{name}" for name, schema in schemas.items() if taken.get(name, schema) != schema
    }
    if not renamed:
        return copy.deepcopy(document)
    text = json.dumps(document)
    for name, new in renamed.items():
        text = text.replace(f'"#/components/schemas/{name}"', f'"#/components/schemas/{new}"')
    own: Document = json.loads(text)
    own["components"]["schemas"] = {
        renamed.get(name, name): schema for name, schema in own["components"]["schemas"].items()
    }
    return own
