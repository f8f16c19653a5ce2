"""What tus requests are refused, with which problem, and that nothing stays stored of them."""

from typing import Any

import httpx
import pytest
from support.services import ServiceProcess
from support.tus import Tus, metadata
from support.uploads import SMALL_ANALYZER, Owner, Storage, eventually, jpeg, large_jpeg

MIB = 1024 * 1024
MAX_FILE_BYTES = 256 * MIB


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert len(body["detail"]) > 20
    return body


async def test_options_tell_what_is_spoken_without_a_token(one: ServiceProcess) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.options(f"{one.url}/api/v1/uploads")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert set(answer.headers["tus-extension"].split(",")) == {
        "creation",
        "creation-with-upload",
        "expiration",
        "checksum",
        "termination",
    }
    assert "sha1" in answer.headers["tus-checksum-algorithm"].split(",")
    assert answer.headers["tus-max-size"] == str(MAX_FILE_BYTES)


@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE"])
async def test_without_a_token_nothing_is_told(method: str, tus: Tus) -> None:
    upload = await tus.create(10)
    answer = await tus.request(method, "" if method == "POST" else upload, headers={"Authorization": None})
    assert answer.status_code == 401


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0.1"])
async def test_other_versions_are_not_spoken(version: str | None, tus: Tus) -> None:
    upload = await tus.create(10)
    for method, path in (("POST", ""), ("PATCH", upload), ("HEAD", upload)):
        answer = await tus.request(method, path, headers={"Tus-Resumable": version, "Upload-Length": "5"})
        assert answer.status_code == 412
        assert answer.headers["tus-version"] == "1.0.0"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Upload-Length": None}, 422, "invalid_request"),
        ({"Upload-Length": "-1"}, 422, "invalid_request"),
        ({"Upload-Length": "1e3"}, 422, "invalid_request"),
        ({"Upload-Length": "9" * 30}, 422, "invalid_request"),
        ({"Upload-Length": "0"}, 422, "empty_file"),
        ({"Upload-Length": str(MAX_FILE_BYTES + 1)}, 413, "file_too_large"),
        ({"Upload-Defer-Length": "1"}, 422, "invalid_request"),
        ({"Upload-Metadata": "filename a=b"}, 422, "invalid_request"),
        ({"Upload-Metadata": "filename YQ==,,"}, 422, "invalid_request"),
        ({"Upload-Metadata": metadata(analyzers="nobody")}, 422, "unknown_analyzers"),
        ({"Upload-Metadata": metadata(metadata="[1]")}, 422, "invalid_metadata"),
        ({"Upload-Metadata": metadata(priority="now")}, 422, "invalid_request"),
    ],
    ids=lambda value: str(value)[:48] if isinstance(value, dict) else "",
)
async def test_creations_that_are_refused(
    headers: dict[str, str | None], status: int, code: str, tus: Tus, owner: Owner, storage: Storage
) -> None:
    answer = await tus.request("POST", headers={"Upload-Length": "10", **headers})
    assert_problem(answer, status, code)
    rows = await storage.database.fetch("SELECT 1 FROM uploads WHERE owner_id = $1", owner.owner_id)
    assert rows == []


async def test_bytes_go_on_only_where_the_upload_stopped(tus: Tus) -> None:
    content = jpeg()
    upload = await tus.create(len(content))
    await tus.patch(upload, 0, content[:100])
    for offset in (0, 99, 101, len(content)):
        problem = assert_problem(await tus.patch(upload, offset, b"x"), 409, "offset_mismatch")
        assert problem["offset"] == 100
    assert await tus.offset(upload) == 100
    assert_problem(await tus.patch(upload, 100, content[100:], {"Upload-Offset": "x"}), 422, "invalid_request")
    assert_problem(await tus.patch(upload, 100, b"x", {"Content-Type": "text/plain"}), 415, "unsupported_content_type")
    assert_problem(await tus.patch(upload, 100, b"x", {"Upload-Checksum": "crc7 eA=="}), 400, "unsupported_checksum")
    assert_problem(await tus.patch(upload, 100, b"x", {"Upload-Checksum": "sha1 eA=="}), 400, "unsupported_checksum")


async def test_no_more_bytes_than_announced(tus: Tus) -> None:
    content = jpeg()
    upload = await tus.create(len(content))
    assert_problem(await tus.patch(upload, 0, content + b"more"), 422, "invalid_request")
    rest = await tus.patch(upload, await tus.offset(upload), content[await tus.offset(upload) :])
    assert "assay-file-id" in rest.headers


async def test_uploads_of_others_are_not_there(tus: Tus, environment: dict[str, str]) -> None:
    upload = await tus.create(10)
    stranger = Tus(Owner(tus.url, environment), tus.url)
    for answer in (
        await stranger.patch(upload, 0, b"x"),
        await stranger.request("DELETE", upload),
        await tus.patch("0199f000-0000-7000-8000-000000000000", 0, b"x"),
    ):
        assert_problem(answer, 404, "upload_not_found")
    assert (await stranger.request("HEAD", upload)).status_code == 404
    assert (await stranger.request("GET", upload)).status_code == 404
    assert await tus.offset(upload) == 0


async def test_a_type_that_nobody_takes_is_refused_at_its_beginning(tus: Tus, owner: Owner, storage: Storage) -> None:
    before = storage.keys()
    text = b"Just words, and nobody examines words. " * 40_000  # more than the first look takes
    upload = await tus.create(200 * MIB)
    answer = await tus.patch(upload, 0, text)
    assert_problem(answer, 415, "unsupported_media_type")
    # Whoever goes on hears the same.
    assert_problem(await tus.patch(upload, len(text), b"x"), 415, "unsupported_media_type")
    assert (await tus.request("HEAD", upload)).status_code == 415
    assert (await tus.state(upload))["problem"]["code"] == "unsupported_media_type"
    await storage.assert_nothing_of(owner, before)


async def test_a_small_file_of_such_a_type_is_refused_at_its_end(tus: Tus, owner: Owner, storage: Storage) -> None:
    before = storage.keys()
    answer = await tus.post(8, content=b"%PDF-1.4")
    assert_problem(answer, 415, "unsupported_media_type")
    await storage.assert_nothing_of(owner, before)


async def test_a_file_too_large_for_its_analyzers_is_refused_early(tus: Tus, owner: Owner, storage: Storage) -> None:
    before = storage.keys()
    upload = await tus.create(200 * MIB, analyzers=SMALL_ANALYZER)
    answer = await tus.patch(upload, 0, b"".join(large_jpeg(MIB)))
    assert_problem(answer, 413, "file_too_large")
    await storage.assert_nothing_of(owner, before)


async def test_terminated_uploads_are_gone(tus: Tus, owner: Owner, storage: Storage) -> None:
    before = storage.keys()
    content = b"".join(large_jpeg(12 * MIB))
    upload = await tus.create(len(content))
    await tus.patch(upload, 0, content[:-1])
    assert storage.keys() != before
    assert (await tus.request("DELETE", upload)).status_code == 204
    assert storage.keys() == before
    assert_problem(await tus.patch(upload, len(content) - 1, content[-1:]), 410, "upload_gone")
    assert (await tus.request("HEAD", upload)).status_code == 410
    assert (await tus.request("DELETE", upload)).status_code == 204
    await storage.assert_nothing_of(owner, before)


async def test_a_finished_upload_is_not_terminated(tus: Tus) -> None:
    content = jpeg()
    upload = await tus.create(len(content), content=content)
    assert_problem(await tus.request("DELETE", upload), 409, "upload_finished")


async def test_what_expires_is_swept(tus: Tus, owner: Owner, storage: Storage) -> None:
    before = storage.keys()
    content = b"".join(large_jpeg(9 * MIB))
    upload = await tus.create(len(content) + 1)
    await tus.patch(upload, 0, content)
    assert storage.keys() != before
    await storage.database.execute("UPDATE uploads SET expires_at = now() WHERE owner_id = $1", owner.owner_id)

    async def is_gone() -> bool:
        return (await tus.request("HEAD", upload)).status_code == 410

    await eventually(is_gone)

    async def is_cleared() -> bool:
        return storage.keys() == before

    await eventually(is_cleared)
    await storage.database.execute("UPDATE uploads SET expires_at = now() WHERE owner_id = $1", owner.owner_id)

    async def is_forgotten() -> bool:
        return (await tus.request("HEAD", upload)).status_code == 404

    await eventually(is_forgotten)
    left = await storage.database.fetch(
        "SELECT upload_id FROM upload_parts UNION SELECT upload_id FROM upload_segments"
    )
    assert upload not in {str(row["upload_id"]) for row in left}
