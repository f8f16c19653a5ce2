"""What results and notify answer through the gateway, to whatever their part of the API's document describes."""

import asyncio
from typing import Any

import httpx
import pytest
from support import hostile
from support.fuzzing import Fuzzer
from support.product import Product
from support.uploads import Owner

from assay.embedded.stack import Stack

EXAMPLES = 4
# It ends when its reader goes: the streams' own tests read it.
ENDLESS = "GET /api/v1/events"
OF_UPLOAD = ("/api/v1/uploads", "/api/v1/limits", "/api/v1/owners", "/api/v1/files:")


def is_ours(operation: Any) -> bool:
    """Upload is asked by tests of its own."""
    reads = operation.method.upper() == "GET" or operation.path.startswith(("/api/v1/session", "/api/v1/dead-letters"))
    return reads and operation.label != ENDLESS and not operation.path.startswith(OF_UPLOAD)


@pytest.mark.timeout(90)
def test_the_rest_of_the_api_answers_as_its_document_says(running: Product) -> None:
    owner = Owner(running.url, Stack(running.home).environment("upload"))
    content = hostile.picture(side=64)
    file_id = asyncio.run(owner.send(content)).json()["file_id"]
    document = httpx.get(f"{running.url}/api/openapi.json", timeout=20).json()
    fuzzer = Fuzzer(document, running.url, owner.headers)
    operations = [each for each in fuzzer.operations() if is_ours(each)]
    assert len(operations) >= 10
    for operation in operations:
        fuzzer.try_edges(operation)
        # A stream of a file that there is may last.
        known = {} if operation.path.endswith("/events") else {"file_id": [file_id], "run_number": ["1"]}
        fuzzer.try_anything(operation, known, EXAMPLES)
    for label in ("GET /api/v1/files", "GET /api/v1/files/{file_id}", "GET /api/v1/analyzers", "GET /api/v1/stats"):
        assert 200 in fuzzer.statuses[label], f"{label} was never asked right: {fuzzer.statuses[label]}"
