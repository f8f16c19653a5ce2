"""Answers that a client may have already: each has an ETag of its content, and `If-None-Match` is answered with 304."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel
from pydantic_core import to_json

_TAG = re.compile(r'(?:W/)?"([^"]*)"')
HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
"""To be kept by whom it was sent to, and asked for again each time."""


def as_json(body: Mapping[str, Any] | BaseModel) -> bytes:
    """As a model's own `model_dump_json` has it."""
    return to_json(body, inf_nan_mode="null")


def plain(body: Mapping[str, Any] | BaseModel) -> Response:
    """The body as JSON, each time."""
    return Response(as_json(body), media_type="application/json")


def answer(request: Request, body: Mapping[str, Any] | BaseModel) -> Response:
    """The body as JSON, or 304 where the client has just that."""
    content = as_json(body)
    # Weak, because the gateway may compress it: then its bytes differ, and its meaning does not.
    tag = hashlib.blake2b(content, digest_size=16).hexdigest()
    headers = {**HEADERS, "ETag": f'W/"{tag}"'}
    if _is_known(tag, request.headers.getlist("if-none-match")):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="application/json", headers=headers)


def _is_known(tag: str, said: list[str]) -> bool:
    return any(each.strip() == "*" or tag in _TAG.findall(each) for each in said)
