"""Parts sent straight to storage: addresses, completion, and what is refused."""

import asyncio
import hashlib
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from support.services import ServiceProcess
from support.uploads import SMALL_ANALYZER, Owner, Storage, eventually, jpeg, large_jpeg

MIB = 1024 * 1024
MAX_FILE_BYTES = 256 * MIB


class Sender:
    """Somebody who sends to storage."""

    def __init__(self, owner: Owner, url: str) -> None:
        self.owner = owner
        self.url = url

    async def post(self, path: str, body: Any) -> httpx.Response:
        async with httpx.AsyncClient(timeout=60) as client:
            return await client.post(f"{self.url}/api/v1/files:{path}", json=body, headers=self.owner.headers)

    async def presign(self, content: bytes, **more: Any) -> dict[str, Any]:
        answer = await self.post("presign", {"filename": "a.jpg", "size": len(content), **more})
        assert answer.status_code == 201, answer.text
        presigned: dict[str, Any] = answer.json()
        return presigned

    async def put(self, presigned: dict[str, Any], content: bytes) -> list[dict[str, Any]]:
        """Send each part to its address, without a token."""
        parts, offset = [], 0
        async with httpx.AsyncClient(timeout=60) as client:
            for part in presigned["parts"]:
                answer = await client.put(part["url"], content=content[offset : offset + part["size"]])
                assert answer.status_code == 200, answer.text
                parts.append({"number": part["number"], "etag": answer.headers["etag"]})
                offset += part["size"]
        assert offset == len(content)
        return parts

    async def complete(self, presigned: dict[str, Any], parts: list[dict[str, Any]]) -> httpx.Response:
        return await self.post("complete", {"upload_id": presigned["upload_id"], "parts": parts})

    async def upload(self, upload_id: str, method: str = "GET") -> httpx.Response:
        async with httpx.AsyncClient(timeout=60) as client:
            return await client.request(method, f"{self.url}/api/v1/uploads/{upload_id}", headers=self.owner.headers)


@pytest.fixture
def sender(owner: Owner, one: ServiceProcess) -> Sender:
    return Sender(owner, one.url)


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), answer.text
    assert len(body["detail"]) >= len("size: Field required")
    return body


async def test_a_file_of_several_parts(
    sender: Sender, storage: Storage, environment: dict[str, str], other: ServiceProcess
) -> None:
    content = b"".join(large_jpeg(33 * MIB))
    sha256 = hashlib.sha256(content).hexdigest()
    presigned = await sender.presign(content, sha256=sha256.upper(), metadata={"a": 1}, priority="bulk")
    assert [part["size"] for part in presigned["parts"]] == [16 * MIB, 16 * MIB, MIB]
    origin = urlsplit(environment.get("ASSAY_S3__PUBLIC_URL") or environment["ASSAY_S3__ENDPOINT_URL"]).netloc
    assert {urlsplit(part["url"]).netloc for part in presigned["parts"]} == {origin}
    parts = await sender.put(presigned, content)
    answer = await Sender(sender.owner, other.url).complete(presigned, list(reversed(parts)))
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert (body["sha256"], body["size"], body["media_type"]) == (sha256, len(content), "image/jpeg")
    assert (body["filename"], answer.headers["location"]) == ("a.jpg", body["links"]["self"])
    (row,) = await storage.files(sender.owner)
    assert (str(row["file_id"]), row["lane"]) == (body["file_id"], "assay.files.bulk")
    assert storage.sha256(row["object_key"]) == sha256
    # Asked again, it answers the same.
    again = await sender.complete(presigned, parts)
    assert (again.status_code, again.json()) == (202, body)
    state = (await sender.upload(presigned["upload_id"])).json()
    assert (state["status"], state["kind"], state["file"]) == ("finished", "presigned", body)


async def test_two_completions_at_once_make_one_file(sender: Sender, storage: Storage, other: ServiceProcess) -> None:
    content = jpeg()
    presigned = await sender.presign(content)
    parts = await sender.put(presigned, content)

    async def complete(url: str) -> httpx.Response:
        # "Wait for its end": on a busy machine the one before takes longer than a service lets a request wait.
        while (answer := await Sender(sender.owner, url).complete(presigned, parts)).status_code == httpx.codes.LOCKED:
            assert answer.headers["Retry-After"]
        return answer

    answers = await asyncio.gather(*(complete(url) for url in (sender.url, other.url) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["file_id"] for answer in answers}) == 1
    assert len(await storage.files(sender.owner)) == 1


async def test_known_bytes_lead_to_the_earlier_file(sender: Sender, storage: Storage) -> None:
    content = jpeg()
    form = (await sender.owner.send(content)).json()
    before = storage.keys()
    presigned = await sender.presign(content)
    answer = await sender.complete(presigned, await sender.put(presigned, content))
    assert (answer.status_code, answer.json()["file_id"], answer.json()["known"]) == (200, form["file_id"], True)

    async def is_cleared() -> bool:
        return storage.keys() == before

    await eventually(is_cleared)


async def test_missing_parts_may_still_be_sent(sender: Sender, storage: Storage) -> None:
    content = b"".join(large_jpeg(17 * MIB))
    presigned = await sender.presign(content)
    parts = await sender.put(presigned, content)
    assert_problem(await sender.complete(presigned, parts[:1]), 422, "incomplete_parts")
    assert_problem(await sender.complete(presigned, [*parts, parts[0]]), 422, "incomplete_parts")
    wrong = [parts[0], {"number": 2, "etag": '"0123456789abcdef0123456789abcdef"'}]
    assert_problem(await sender.complete(presigned, wrong), 422, "incomplete_parts")
    assert await storage.files(sender.owner) == []
    assert (await sender.complete(presigned, parts)).status_code == 202


async def test_a_client_that_lost_its_addresses_goes_on_with_new_ones(sender: Sender, storage: Storage) -> None:
    content = b"".join(large_jpeg(33 * MIB))
    presigned = await sender.presign(content)
    first, *others = presigned["parts"]
    assert len(others) == 2
    async with httpx.AsyncClient(timeout=60) as client:
        sent = await client.put(first["url"], content=content[: first["size"]])
        # Not all of the second: it does not count as sent.
        await client.put(others[0]["url"], content=b"x" * 1000)
        state = (await sender.upload(presigned["upload_id"])).json()
        assert [(each["number"], each["size"]) for each in state["parts"]] == [
            (each["number"], each["size"]) for each in presigned["parts"]
        ]
        assert [each["etag"] for each in state["parts"]] == [sent.headers["etag"], None, None]
        assert [each["url"] is None for each in state["parts"]] == [True, False, False]
        offset = first["size"]
        for part in state["parts"][1:]:
            assert (await client.put(part["url"], content=content[offset : offset + part["size"]])).status_code == 200
            offset += part["size"]
    parts = (await sender.upload(presigned["upload_id"])).json()["parts"]
    assert {each["url"] for each in parts} == {None}
    completed = await sender.complete(presigned, [{"number": each["number"], "etag": each["etag"]} for each in parts])
    assert completed.status_code == 202, completed.text
    assert completed.json()["sha256"] == hashlib.sha256(content).hexdigest()
    assert (await sender.upload(presigned["upload_id"])).json()["parts"] is None


async def test_other_bytes_than_announced_are_refused(sender: Sender, storage: Storage) -> None:
    before = storage.keys()
    content = jpeg()
    presigned = await sender.presign(content, sha256="0" * 64)
    parts = await sender.put(presigned, content)
    problem = assert_problem(await sender.complete(presigned, parts), 422, "wrong_content")
    assert problem["sha256"] == hashlib.sha256(content).hexdigest()
    # Once more: the same, and nothing stays.
    assert_problem(await sender.complete(presigned, parts), 422, "wrong_content")
    await storage.assert_nothing_of(sender.owner, before)


async def test_another_length_than_signed_does_not_become_a_file(sender: Sender, storage: Storage) -> None:
    before = storage.keys()
    content = jpeg()
    presigned = await sender.presign(content)
    async with httpx.AsyncClient(timeout=60) as client:
        put = await client.put(presigned["parts"][0]["url"], content=content + b"more")
    if put.status_code == 200:
        parts = [{"number": 1, "etag": put.headers["etag"]}]
        assert_problem(await sender.complete(presigned, parts), 422, "wrong_content")
    else:
        assert put.status_code in (400, 403)
        assert (await sender.upload(presigned["upload_id"], "DELETE")).status_code == 204
    await storage.assert_nothing_of(sender.owner, before)


async def test_a_type_that_nobody_takes_is_refused_by_its_content(sender: Sender, storage: Storage) -> None:
    before = storage.keys()
    content = b"Just words, and nobody examines words. " * 100
    presigned = await sender.presign(content, media_type="image/jpeg")
    parts = await sender.put(presigned, content)
    assert_problem(await sender.complete(presigned, parts), 415, "unsupported_media_type")
    await storage.assert_nothing_of(sender.owner, before)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"size": 0}, 422, "empty_file"),
        ({"size": MAX_FILE_BYTES + 1}, 413, "file_too_large"),
        ({"size": -1}, 422, "invalid_request"),
        ({}, 422, "invalid_request"),
        ({"size": 5, "sha256": "abc"}, 422, "invalid_request"),
        ({"size": 5, "analyzers": ["nobody"]}, 422, "unknown_analyzers"),
        ({"size": 5, "metadata": {"a": "x" * 17_000}}, 422, "invalid_metadata"),
        ({"size": 5, "metadata": {"a": "\x00"}}, 422, "invalid_metadata"),
        ({"size": 5, "priority": "now"}, 422, "invalid_request"),
        ({"size": 5, "other": 1}, 422, "invalid_request"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
async def test_what_cannot_be_announced(body: Any, status: int, code: str, sender: Sender, storage: Storage) -> None:
    assert_problem(await sender.post("presign", body), status, code)
    rows = await storage.database.fetch("SELECT 1 FROM uploads WHERE owner_id = $1", sender.owner.owner_id)
    assert rows == []


async def test_given_up_and_expired_nothing_stays(sender: Sender, storage: Storage) -> None:
    before = storage.keys()
    content = b"".join(large_jpeg(17 * MIB))
    given_up, expired = [await sender.presign(content, analyzers=[SMALL_ANALYZER]) for _ in range(2)]
    parts = await sender.put(given_up, content)
    await sender.put(expired, content)
    assert (await sender.upload(given_up["upload_id"], "DELETE")).status_code == 204
    assert_problem(await sender.complete(given_up, parts), 410, "upload_gone")
    await storage.database.execute(
        "UPDATE uploads SET expires_at = now() WHERE upload_id::text = $1", expired["upload_id"]
    )

    async def is_gone() -> bool:
        return bool((await sender.upload(expired["upload_id"])).json()["status"] == "expired")

    await eventually(is_gone)
    await storage.assert_nothing_of(sender.owner, before)


async def test_uploads_of_others_are_not_there(sender: Sender, environment: dict[str, str]) -> None:
    content = jpeg()
    presigned = await sender.presign(content)
    parts = await sender.put(presigned, content)
    stranger = Sender(Owner(sender.url, environment), sender.url)
    assert_problem(await stranger.complete(presigned, parts), 404, "upload_not_found")
    assert_problem(await stranger.upload(presigned["upload_id"], "DELETE"), 404, "upload_not_found")
