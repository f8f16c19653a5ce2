"""Bad input: a 4xx problem with a stable code and a sentence that helps; nothing stays in S3 or PostgreSQL."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest
from support.services import ServiceProcess
from support.topics import reading
from support.uploads import (
    FORM_TYPE,
    SMALL_ANALYZER,
    Owner,
    Storage,
    eventually,
    form,
    jpeg,
    large_jpeg,
    manifest,
    publish,
)

from assay.contracts import AnalyzerRegistered, decode
from assay.shared.auth import mint_token

SMALL = SMALL_ANALYZER.encode()
LONG = 12 * 1024 * 1024  # more than one part: some of it is in S3 when the problem shows


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["status"] == status
    assert body["type"] == f"urn:assay:problem:{code}"
    assert len(body["title"]) > 10
    assert len(body["detail"]) > 20
    assert len(body["trace_id"]) == 32
    assert "Traceback" not in answer.text
    return body


def truncated(content: Iterable[bytes]) -> Iterator[bytes]:
    """A form whose last piece, the closing boundary, is missing."""
    previous = None
    for piece in content:
        if previous is not None:
            yield previous
        previous = piece


PICTURE = jpeg()
REFUSED: dict[str, tuple[Any, int, str]] = {
    "empty file": (lambda: form(("file", "a.jpg", [])), 422, "empty_file"),
    "no part": (form, 422, "missing_file"),
    "only fields": (lambda: form(("priority", None, [b"bulk"])), 422, "missing_file"),
    "no file chosen": (lambda: form(("file", "", [])), 422, "missing_file"),
    "text instead of a file": (lambda: form(("file", None, [b"photo.jpg"])), 422, "missing_file"),
    "file in another field": (lambda: form(("upload", "a.jpg", [PICTURE])), 422, "missing_file"),
    "a field that is not taken": (
        lambda: form(("analyser", None, [b"x"]), ("file", "a.jpg", [PICTURE])),
        422,
        "invalid_request",
    ),
    "unknown type": (lambda: form(("file", "a.jpg", [b"words " * 100])), 415, "unsupported_media_type"),
    "unknown type, long": (lambda: form(("file", "a.jpg", [b"words " * (LONG // 6)])), 415, "unsupported_media_type"),
    "larger than the asked analyzer takes, told before": (
        lambda: form(("analyzers", None, [SMALL]), ("file", "a.jpg", large_jpeg(LONG))),
        413,
        "file_too_large",
    ),
    "larger than the asked analyzer takes, told after": (
        lambda: form(("file", "a.jpg", large_jpeg(LONG)), ("analyzers", None, [SMALL])),
        413,
        "file_too_large",
    ),
    "unknown analyzer before": (
        lambda: form(("analyzers", None, [b"nobody"]), ("file", "a.jpg", [PICTURE])),
        422,
        "unknown_analyzers",
    ),
    "unknown analyzer after": (
        lambda: form(("file", "a.jpg", large_jpeg(LONG)), ("analyzers", None, [b"nobody"])),
        422,
        "unknown_analyzers",
    ),
    "metadata no JSON": (
        lambda: form(("file", "a.jpg", large_jpeg(LONG)), ("metadata", None, [b"{'a': 1}"])),
        422,
        "invalid_metadata",
    ),
    "metadata no object": (lambda: form(("metadata", None, [b"[1]"])), 422, "invalid_metadata"),
    "metadata NaN": (lambda: form(("metadata", None, [b'{"a": NaN}'])), 422, "invalid_metadata"),
    "metadata infinite": (lambda: form(("metadata", None, [b'{"a": 1e999}'])), 422, "invalid_metadata"),
    "metadata NUL": (lambda: form(("metadata", None, [b'{"a": "\\u0000"}'])), 422, "invalid_metadata"),
    "metadata surrogate": (lambda: form(("metadata", None, [b'{"\\ud800": 1}'])), 422, "invalid_metadata"),
    "metadata deep": (lambda: form(("metadata", None, [b'{"a":' * 40 + b"1" + b"}" * 40])), 422, "invalid_metadata"),
    "metadata very deep": (lambda: form(("metadata", None, [b'{"a":' + b"[" * 15000])), 422, "invalid_metadata"),
    "metadata long": (
        lambda: form(("metadata", None, [json.dumps({"a": "x" * 20000}).encode()])),
        422,
        "invalid_metadata",
    ),
    "priority": (lambda: form(("priority", None, [b"now"]), ("file", "a.jpg", [PICTURE])), 422, "invalid_request"),
    "field too long": (lambda: form(("note", None, [b"x" * 9000])), 422, "invalid_request"),
    "premature end": (lambda: truncated(form(("file", "a.jpg", large_jpeg(LONG)))), 400, "malformed_body"),
    "no form at all": (lambda: [b'{"file": "a.jpg"}'], 400, "malformed_body"),
    "nothing": (lambda: [], 400, "malformed_body"),
    "part without name": (
        lambda: [b"--x-boundary-x\r\nContent-Type: image/jpeg\r\n\r\nx\r\n--x-boundary-x--\r\n"],
        400,
        "malformed_body",
    ),
    "endless header": (lambda: [b"--x-boundary-x\r\nX: " + b"y" * 100_000], 400, "malformed_body"),
    "too many files": (lambda: form(*[("file", "a.jpg", [PICTURE])] * 6), 422, "too_many_files"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_bad_forms_are_refused_and_leave_nothing(name: str, owner: Owner, storage: Storage) -> None:
    make, status, code = REFUSED[name]
    before = storage.keys()
    assert_problem(await owner.post(make()), status, code)
    await storage.assert_nothing_of(owner, before)


async def test_a_refused_type_names_those_taken(owner: Owner) -> None:
    body = assert_problem(await owner.send(b"words " * 100), 415, "unsupported_media_type")
    assert body["media_type"] == "text/plain"
    assert "image/*" in body["media_types"]
    assert "image/*" in body["detail"]


async def test_an_unknown_analyzer_is_told_which_there_are(owner: Owner) -> None:
    body = assert_problem(await owner.send(PICTURE, analyzers=f"{SMALL_ANALYZER},nobody"), 422, "unknown_analyzers")
    assert "nobody" in body["detail"]
    assert SMALL_ANALYZER in body["analyzers"]


@pytest.mark.parametrize(
    ("content_type", "status", "code"),
    [
        ("application/json", 415, "unsupported_content_type"),
        ("application/x-www-form-urlencoded", 415, "unsupported_content_type"),
        ("multipart/mixed; boundary=x", 415, "unsupported_content_type"),
        ("", 415, "unsupported_content_type"),
        ("multipart/form-data", 400, "malformed_body"),
        ("multipart/form-data; boundary=", 400, "malformed_body"),
        (f"multipart/form-data; boundary={'x' * 71}", 400, "malformed_body"),
    ],
)
async def test_other_content_types_are_refused(content_type: str, status: int, code: str, owner: Owner) -> None:
    answer = await owner.post(form(("file", "a.jpg", [PICTURE])), headers={"Content-Type": content_type})
    assert_problem(answer, status, code)


@pytest.mark.parametrize("token", [None, "Bearer", "Basic YTpi", "Bearer assay_x.y.z", "Bearer nonsense"])
async def test_without_a_good_token_the_body_is_not_asked_for(
    token: str | None, upload: ServiceProcess, storage: Storage
) -> None:
    before = storage.keys()
    answer = await announce(upload, {"Authorization": token} if token else {}, 10_000)
    assert_problem(answer, 401, "unauthenticated")
    assert storage.keys() == before


async def test_another_installations_token_is_refused(client: httpx.AsyncClient) -> None:
    foreign = mint_token("another secret, as long as it has to be: 32", "alice", ["user"])
    answer = await client.post(
        "/api/v1/files", headers={"Authorization": f"Bearer {foreign}"}, files={"file": ("a.jpg", PICTURE)}
    )
    assert_problem(answer, 401, "unauthenticated")
    assert_problem(await client.get("/api/v1/limits"), 401, "unauthenticated")


async def announce(upload: ServiceProcess, headers: dict[str, str], length: int) -> httpx.Response:
    """Send only a request's head, with `Expect: 100-continue`, and read what is answered to that."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(upload.environment["ASSAY_HTTP__PORT"]))
    lines = {"Host": "upload", "Content-Type": FORM_TYPE, "Content-Length": str(length), "Expect": "100-continue"}
    head = "".join(f"{name}: {value}\r\n" for name, value in {**lines, **headers}.items())
    writer.write(f"POST /api/v1/files HTTP/1.1\r\n{head}\r\n".encode())
    answered = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    status, *fields = answered.decode().split("\r\n")
    found = dict(field.split(": ", 1) for field in fields if field)
    body = await asyncio.wait_for(reader.readexactly(int(found["content-length"])), 20)
    writer.close()
    return httpx.Response(int(status.split()[1]), headers=found, content=body)


async def test_a_length_over_the_limit_is_refused_before_a_byte_is_sent(owner: Owner, upload: ServiceProcess) -> None:
    limit = int(upload.environment["ASSAY_LIMITS__MAX_FILE_BYTES"])
    body = assert_problem(await announce(upload, owner.headers, limit + 2 * 1024 * 1024), 413, "request_too_large")
    assert body["max_file_bytes"] == limit


async def test_a_file_over_the_limit_is_refused_while_it_streams(
    owner: Owner, replica: ServiceProcess, storage: Storage
) -> None:
    before = storage.keys()
    limit = int(replica.environment["ASSAY_LIMITS__MAX_FILE_BYTES"])
    answer = await owner.post(form(("file", "endless.jpg", large_jpeg(2 * limit))), url=replica.url)
    body = assert_problem(answer, 413, "request_too_large")
    assert body["max_file_bytes"] == limit
    await storage.assert_nothing_of(owner, before)


async def test_a_client_that_goes_away_leaves_nothing(owner: Owner, storage: Storage) -> None:
    before = storage.keys()
    body = b"".join(form(("file", "a.jpg", large_jpeg(LONG))))

    async def has_begun() -> bool:
        return bool(await storage.intents(owner)) and storage.keys() != before

    async with owner.sending(body[: LONG - 1000], len(body)):
        await eventually(has_begun)
    await storage.assert_nothing_of(owner, before)


async def test_a_client_that_stops_sending_is_given_up(owner: Owner, storage: Storage) -> None:
    before = storage.keys()
    body = b"".join(form(("file", "a.jpg", large_jpeg(LONG))))
    async with owner.sending(body[: LONG - 1000], len(body)) as (reader, _):
        answered = await asyncio.wait_for(reader.readuntil(b"}"), 30)
    assert answered.startswith(b"HTTP/1.1 408 ")
    assert b'"upload_stalled"' in answered
    await storage.assert_nothing_of(owner, before)


async def test_without_any_analyzer_nothing_is_taken(
    owner: Owner, environment: dict[str, str], storage: Storage
) -> None:
    before = storage.keys()
    async with reading(environment, "assay.analyzers", from_beginning=True) as topics:
        names = set((await owner.limits())["analyzers"])
        await topics.wait_until(lambda records: names <= {(each.key or b"").decode() for each in records})
    latest = {(each.key or b"").decode(): each for each in topics.records}
    await publish(environment, retired=names)
    try:

        async def none_known() -> bool:
            return not (await owner.limits())["analyzers"]

        await eventually(none_known)
        assert_problem(await owner.send(PICTURE), 503, "no_analyzers")
        await storage.assert_nothing_of(owner, before)
    finally:
        events = [decode(latest[name].value, latest[name].headers) for name in names]
        await publish(environment, *(each.manifest for each in events if isinstance(each, AnalyzerRegistered)))
        await owner.until_known(names)


async def test_a_retired_analyzer_leaves_the_plan(owner: Owner, environment: dict[str, str]) -> None:
    name = "upload-test-leaving"
    await publish(environment, manifest(name, ("image/jpeg",)))
    await owner.until_known({name})
    assert name in (await owner.send(PICTURE)).json()["plan"]
    await publish(environment, retired=[name])

    async def gone() -> bool:
        return name not in (await owner.limits())["analyzers"]

    await eventually(gone)
    assert name not in (await owner.send(PICTURE)).json()["plan"]


async def test_unknown_addresses_and_methods_are_problems(owner: Owner) -> None:
    async with httpx.AsyncClient(base_url=owner.url, headers=owner.headers, timeout=30) as client:
        assert_problem(await client.get("/api/v1/nothing"), 404, "not_found")
        assert_problem(await client.put("/api/v1/files"), 405, "method_not_allowed")
