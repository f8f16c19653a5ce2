"""The API as its OpenAPI document describes it: what is asked within it and beyond it is answered as it says."""

import asyncio
from typing import Any

import httpx
import pytest
from support.fuzzing import Fuzzer
from support.services import ServiceProcess
from support.tus import Tus
from support.uploads import Owner, jpeg

from assay.shared.auth import mint_token

EXAMPLES = 6
CREATED = {
    "POST /api/v1/files/{file_id}/runs": 202,
    "DELETE /api/v1/files/{file_id}": 202,
    "DELETE /api/v1/uploads/{upload_id}": 204,
    "POST /api/v1/files:presign": 201,
}


async def some_of_each(owner: Owner, url: str) -> dict[str, list[str]]:
    """Files and uploads that there are."""
    tus = Tus(owner, url)
    files = [(await owner.send(jpeg())).json()["file_id"] for _ in range(4)]
    uploads = [await tus.create(1000) for _ in range(3)]
    presigned = await owner.ask("POST", "/api/v1/files:presign", json={"size": 1000})
    return {"file_id": files, "upload_id": [*uploads, presigned.json()["upload_id"]]}


@pytest.mark.timeout(90)
def test_the_service_answers_as_its_document_says(upload: ServiceProcess, environment: dict[str, str]) -> None:
    owner = Owner(upload.url, environment)
    # An operator, so that nothing ends at the door.
    token = mint_token(environment["ASSAY_AUTH__SECRET"], owner.owner_id, ["user", "operator"])
    known = asyncio.run(some_of_each(owner, upload.url))
    document: dict[str, Any] = httpx.get(f"{upload.url}/openapi.json").json()
    fuzzer = Fuzzer(document, upload.url, {"Authorization": f"Bearer {token}"})
    operations = list(fuzzer.operations())
    assert len(operations) >= 15
    for operation in operations:
        fuzzer.try_edges(operation)
        fuzzer.try_anything(operation, known, EXAMPLES)
    for label, status in CREATED.items():
        assert status in fuzzer.statuses[label], f"{label} was never asked right: {fuzzer.statuses[label]}"


def test_without_a_token_nothing_is_answered(upload: ServiceProcess) -> None:
    """Whatever the document describes; a body that is no JSON is noticed first. What of tus is spoken, all may know."""
    document: dict[str, Any] = httpx.get(f"{upload.url}/openapi.json").json()
    fuzzer = Fuzzer(document, upload.url, {})
    for operation in fuzzer.operations():
        fuzzer.try_anything(operation, {}, 3)
    told = {label: statuses for label, statuses in fuzzer.statuses.items() if statuses - {400, 401, 422}}
    assert told == {"OPTIONS /api/v1/uploads": {204}}
