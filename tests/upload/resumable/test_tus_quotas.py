"""Quotas and resumable uploads: refused before a byte is sent, and what was sent is not lost to a quota."""

import hashlib
from collections.abc import Iterator

import httpx
import pytest
from support.services import ServiceProcess, running_service
from support.tus import Tus
from support.uploads import Owner, Storage, large_jpeg

MIB = 1024 * 1024
BYTES = 12 * MIB


@pytest.fixture(scope="module")
def stingy(
    other: ServiceProcess, resuming: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    settings = {**resuming, "ASSAY_SLOT": "5", "ASSAY_QUOTA__BYTES": str(BYTES)}
    with running_service("upload", settings, tmp_path_factory.mktemp("stingy")) as service:
        yield service


async def test_what_is_on_its_way_counts(stingy: ServiceProcess, environment: dict[str, str]) -> None:
    tus = Tus(Owner(stingy.url, environment), stingy.url)
    first = await tus.create(10 * MIB)
    refused = await tus.post(10 * MIB)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_bytes_exceeded"), refused.text
    assert int(refused.headers["retry-after"]) > 0
    async with httpx.AsyncClient() as client:
        presigned = await client.post(
            f"{stingy.url}/api/v1/files:presign", json={"size": 10 * MIB}, headers=tus.owner.headers
        )
    assert (presigned.status_code, presigned.json()["code"]) == (429, "quota_bytes_exceeded")
    assert (await tus.request("DELETE", first)).status_code == 204
    await tus.create(10 * MIB)


async def test_an_upload_that_a_quota_stops_at_its_end_is_finished_later(
    stingy: ServiceProcess, environment: dict[str, str], storage: Storage
) -> None:
    owner = Owner(stingy.url, environment)
    tus = Tus(owner, stingy.url)
    content = b"".join(large_jpeg(9 * MIB))
    upload = await tus.create(len(content))
    inbetween = await owner.send(b"".join(large_jpeg(5 * MIB)))
    assert inbetween.status_code == 202, inbetween.text
    stopped = await tus.patch(upload, 0, content)
    assert (stopped.status_code, stopped.json()["code"]) == (429, "quota_bytes_exceeded")
    asked = await tus.request("HEAD", upload)
    # Replicas that have no such quota sweep, too: one may have finished it by now.
    assert asked.status_code == 429 or asked.headers["upload-offset"] == str(len(content))
    async with httpx.AsyncClient() as client:
        erased = await client.delete(f"{stingy.url}/api/v1/files/{inbetween.json()['file_id']}", headers=owner.headers)
    assert erased.status_code == 202, erased.text
    head = await tus.request("HEAD", upload)
    assert (head.status_code, head.headers["upload-offset"]) == (200, str(len(content)))
    key = f"files/{head.headers['assay-file-id']}/content"
    assert storage.sha256(key) == hashlib.sha256(content).hexdigest()
