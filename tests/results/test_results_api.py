"""What clients read: by HTTP, on real parts."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import OffsetAndMetadata
from pydantic import BaseModel
from support.services import ServiceProcess

from assay.contracts import AnalyzerManifest, AnalyzerRegistered
from assay.contracts.dead_letters import DeadLetter
from assay.contracts.topics import ANALYZERS, DEAD_LETTERS, FILES, FILES_BULK, LANES
from assay.results.schemas import AnalysisView, FilePage, FileView, RunList, RunView, Snapshot
from assay.results.settings import Settings
from assay.shared.auth import mint_token
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher, connection
from assay.shared.objects import ObjectStore
from results.story import SHA256, Client, Story, eventually, verdict

PUBLIC_URL = "https://assay.example"
Clients = Callable[..., Client]


def old_id() -> UUID:
    """A UUIDv7 of long ago, for which nobody waits."""
    return UUID(int=(new_id().int & ((1 << 80) - 1)) | (1_700_000_000_000 << 80))


def problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["code"], body["status"]) == (code, status)
    assert body["detail"] and body["trace_id"]
    assert "Traceback" not in answer.text


async def finished(client: Client, story: Story, **uploaded: Any) -> dict[str, Any]:
    await story.say(story.uploaded(**uploaded), story.requested("jpeg-forensics"), story.completed("jpeg-forensics"))
    return await client.report_of(story.file_id)


async def test_the_object_has_exactly_the_names_of_the_design(client: Client, story: Story) -> None:
    await story.say(story.uploaded(), story.requested("jpeg-forensics"), story.started("jpeg-forensics"))
    artifact = story.artifact("jpeg-forensics", b"png")
    said = verdict(artifacts=(artifact,), details={"grid": [1, 2]}, weights_sha256=SHA256, reused_from=new_id())
    await story.say(story.completed("jpeg-forensics", said))
    body = await client.report_of(story.file_id)
    assert set(body) == {
        "file_id", "parent_file_id", "filename", "size", "sha256", "media_type", "created_at", "status", "metadata",
        "run", "derived", "feedback", "links",
    }  # fmt: skip
    assert set(body["run"]) == {
        "run_id", "run_number", "status", "deadline", "requested_at", "completed_at", "analyses", "report",
    }  # fmt: skip
    [analysis] = body["run"]["analyses"]
    assert set(analysis) == {
        "analyzer", "version", "status", "stage", "fraction", "attempt", "queued_at", "started_at", "completed_at",
        "duration_ms", "device", "verdict", "error",
    }  # fmt: skip
    assert set(analysis["verdict"]) == {
        "label", "score", "confidence", "claim", "evidence", "artifacts", "artifacts_follow", "details",
        "weights_sha256", "reused_from",
    }  # fmt: skip
    assert set(body["run"]["report"]) == {
        "label", "claim", "score", "confidence", "claims", "summary", "evidence", "missing",
    }  # fmt: skip
    here = f"{PUBLIC_URL}/api/v1/files/{story.file_id}"
    assert body["links"] == {
        "self": here,
        "events": f"{here}/events",
        "web": f"{PUBLIC_URL}/files/{story.file_id}",
    }
    assert analysis["verdict"]["artifacts"] == [
        {
            "name": "heatmap.png",
            "media_type": "image/png",
            "title": "Where it was edited.",
            "size": 3,
            "links": {"self": f"{here}/artifacts/jpeg-forensics/heatmap.png?run=1"},
        }
    ]
    assert analysis["verdict"]["details"] == {"grid": [1, 2]}


async def test_answers_are_what_the_documentation_says(client: Client, story: Story, publisher: Publisher) -> None:
    """They are written without the models that describe them, and must be read by these, nothing missing or more."""
    await story.say(story.uploaded(), story.requested("jpeg-forensics", "camera-noise", "provenance"))
    said = verdict(artifacts=(story.artifact("jpeg-forensics", b"png"),), details={"of": {"any": [1.5, None, "ü"]}})
    await story.say(story.completed("jpeg-forensics", said), story.failed("camera-noise"))
    child = Story(publisher, client.owner)
    await story.say(child.derived(story, "provenance", "jpeg-forensics"), child.completed("jpeg-forensics"))
    await client.report_of(child.file_id)
    await story.say(story.completed("provenance", derived=(child.file_id,)))
    here = f"/api/v1/files/{story.file_id}"
    await client.report_of(story.file_id)
    await client.http.post(f"{here}/feedback", json={"label": "authentic", "note": "I was there."})
    described: list[tuple[str, type[BaseModel]]] = [
        (here, FileView),
        (f"/api/v1/files/{child.file_id}", FileView),
        ("/api/v1/files", FilePage),
        (f"/api/v1/files?parent={story.file_id}", FilePage),
        (f"{here}/runs", RunList),
        (f"{here}/runs/1", RunView),
        (f"{here}/runs/1/analyses/jpeg-forensics", AnalysisView),
        (f"{here}/runs/1/analyses/camera-noise", AnalysisView),
        ("/internal/v1/snapshot", Snapshot),
        (f"/internal/v1/snapshot?file_id={story.file_id}", Snapshot),
    ]
    for path, schema in described:
        answer = await client.http.get(path)
        assert answer.status_code == 200, answer.text
        assert schema.model_validate_json(answer.text).model_dump(mode="json") == answer.json(), path
    whole = (await client.http.get(here)).json()
    assert len(whole["derived"]) == len(whole["feedback"]) == 1
    for name in FileView.model_fields:
        part = (await client.http.get(here, params={"fields": name})).json()
        assert part == {each: whole[each] for each in whole if each in ("file_id", name)}
    for name in RunView.model_fields:
        part = (await client.http.get(here, params={"fields": f"run.{name}"})).json()
        assert part == {"file_id": whole["file_id"], "run": {name: whole["run"][name]}}


async def test_a_link_just_answered_works(client: Client, publisher: Publisher) -> None:
    """The request comes first; it is answered once the events have come."""
    story = Story(publisher, client.owner)
    asking = asyncio.create_task(client.http.get(f"/api/v1/files/{story.file_id}"))
    snapshot = asyncio.create_task(client.http.get("/internal/v1/snapshot", params={"file_id": str(story.file_id)}))
    done, _ = await asyncio.wait([asking, snapshot], timeout=0.3)
    assert not done, "it waits"
    await story.say(story.uploaded(), story.requested("jpeg-forensics"))
    assert (await asking).json()["file_id"] == str(story.file_id)
    assert (await snapshot).json()["files"][0]["file_id"] == str(story.file_id)


async def test_unknown_and_malformed_ids(client: Client) -> None:
    for file_id in (old_id(), uuid4()):
        problem(await client.http.get(f"/api/v1/files/{file_id}"), 404, "file_not_found")
        problem(await client.http.get(f"/api/v1/files/{file_id}/runs/1"), 404, "file_not_found")
        problem(await client.http.get(f"/api/v1/files/{file_id}/artifacts/a/b.png"), 404, "file_not_found")
        params = {"file_id": str(file_id)}
        problem(await client.http.get("/internal/v1/snapshot", params=params), 404, "file_not_found")
    problem(await client.http.get("/api/v1/files/not-an-id"), 422, "invalid_request")
    problem(await client.http.get(f"/api/v1/files/{old_id()}/runs/zero"), 422, "invalid_request")
    problem(await client.http.get(f"/api/v1/files/{old_id()}/runs/{2**40}"), 422, "invalid_request")
    problem(await client.http.get(f"/api/v1/files/{old_id()}/artifacts/%00/b"), 422, "invalid_request")
    problem(await client.http.get("/api/v1/nothing"), 404, "not_found")
    problem(await client.http.post("/api/v1/analyzers"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"cursor": "!!!"}, "bad_cursor"),
        ({"cursor": "aGFsbG8"}, "bad_cursor"),
        ({"cursor": "ö"}, "bad_cursor"),
        ({"limit": "0"}, "invalid_request"),
        ({"limit": "many"}, "invalid_request"),
        ({"status": "sleeping"}, "invalid_request"),
        ({"q": "a\x00b"}, "invalid_request"),
        ({"label": "\x00"}, "invalid_request"),
    ],
)
async def test_bad_parameters(client: Client, params: dict[str, str], code: str) -> None:
    problem(await client.http.get("/api/v1/files", params=params), 422, code)


async def test_everything_asks_who_you_are(results: ServiceProcess, settings: Settings) -> None:
    paths = ["files", f"files/{old_id()}", f"files/{old_id()}/runs/1", "analyzers", "stats", "session", "dead-letters"]
    secret = settings.auth.secret.get_secret_value()
    tokens = [
        None,
        "nonsense",
        mint_token("y" * 40, "somebody", ["user"]),
        mint_token(secret, "somebody", ["user"])[:-3],
    ]
    async with httpx.AsyncClient(base_url=results.url) as http:
        for path in [*(f"/api/v1/{path}" for path in paths), "/internal/v1/snapshot"]:
            for token in tokens:
                headers = {} if token is None else {"authorization": f"Bearer {token}"}
                problem(await http.get(path, headers=headers), 401, "unauthenticated")


async def test_what_one_owner_has_is_invisible_to_another(client_of: Clients, client: Client, story: Story) -> None:
    await finished(client, story)
    other = client_of()
    for path in ("", "/runs/1", "/artifacts/jpeg-forensics/heatmap.png"):
        problem(await other.http.get(f"/api/v1/files/{story.file_id}{path}"), 404, "file_not_found")
    params = {"file_id": str(story.file_id)}
    problem(await other.http.get("/internal/v1/snapshot", params=params), 404, "file_not_found")
    assert (await other.http.get("/api/v1/files")).json() == {"items": [], "next_cursor": None}
    assert (await other.http.get("/internal/v1/snapshot")).json()["files"] == []
    assert (await other.http.get("/api/v1/stats")).json()["files"] == 0


async def test_pages_and_filters(client: Client, publisher: Publisher) -> None:
    stories = [Story(publisher, client.owner) for _ in range(5)]
    names = ["first.jpg", "100%_sure.png", "Holiday.jpg", "holiday_2.jpg", "last.jpg"]
    for story, name in zip(stories, names, strict=True):
        media_type = "image/png" if name.endswith("png") else "image/jpeg"
        await story.say(story.uploaded(name, media_type=media_type))
    said = stories[4]
    await said.say(said.requested("jpeg-forensics"), said.completed("jpeg-forensics"))
    await client.report_of(said.file_id)
    for story, name in zip(stories, names, strict=True):
        await client.file_when(story.file_id, lambda body, name=name: body["filename"] == name, name)

    async def names_of(**params: str) -> list[str]:
        answer = await client.http.get("/api/v1/files", params=params)
        assert answer.status_code == 200, answer.text
        return [item["filename"] for item in answer.json()["items"]]

    assert await names_of() == names[::-1]
    pages, cursor = [], None
    while cursor is not None or not pages:
        answer = await client.http.get("/api/v1/files", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        pages.append([item["filename"] for item in answer.json()["items"]])
        cursor = answer.json()["next_cursor"]
    assert pages == [["last.jpg", "holiday_2.jpg"], ["Holiday.jpg", "100%_sure.png"], ["first.jpg"]]
    assert await names_of(q="HOLIDAY") == ["holiday_2.jpg", "Holiday.jpg"]
    assert await names_of(q="%_s") == ["100%_sure.png"]
    assert await names_of(q="_") == ["holiday_2.jpg", "100%_sure.png"]
    assert await names_of(status="analyzed", label="manipulated") == ["last.jpg"]
    assert await names_of(label="synthetic") == []
    assert await names_of(media_type="image/png") == ["100%_sure.png"]
    assert len(await names_of(media_type="image/*")) == 5
    assert await names_of(media_type="audio/*") == []


async def test_an_artifacts_link_opens(client: Client, story: Story, settings: Settings) -> None:
    objects = ObjectStore(settings.s3)
    data = b"\x89PNG not really"
    artifact = story.artifact("jpeg-forensics", data)
    await objects.put(artifact.key, data, media_type="application/octet-stream")
    objects.close()
    await story.say(story.uploaded(), story.requested("jpeg-forensics"))
    await story.say(story.completed("jpeg-forensics", verdict(artifacts=(artifact,))))
    body = await client.report_of(story.file_id)
    link = body["run"]["analyses"][0]["verdict"]["artifacts"][0]["links"]["self"].removeprefix(PUBLIC_URL)
    here = f"/api/v1/files/{story.file_id}/artifacts/jpeg-forensics"
    for path in (link, f"{here}/heatmap.png"):
        answer = await client.http.get(path)
        assert answer.status_code == 307
        async with httpx.AsyncClient() as anybody:
            opened = await anybody.get(answer.headers["location"])
        assert (opened.status_code, opened.content) == (200, data)
        assert opened.headers["content-type"] == "image/png"
        assert opened.headers["content-disposition"].startswith("inline")
    problem(await client.http.get(f"{here}/other.png"), 404, "artifact_not_found")
    problem(await client.http.get(f"{here}/heatmap.png?run=2"), 404, "run_not_found")


async def test_a_session_is_a_cookie_that_scripts_cannot_read(client: Client, results: ServiceProcess) -> None:
    answer = await client.http.post("/api/v1/session")
    assert answer.json() == {"owner_id": client.owner, "scopes": ["user"]}
    cookie = answer.headers["set-cookie"]
    for part in ("assay_session=", "HttpOnly", "SameSite=strict", "Path=/", "Secure"):
        assert part in cookie
    value = cookie.split(";")[0]
    async with httpx.AsyncClient(base_url=results.url) as page:
        who = await page.get("/api/v1/session", headers={"cookie": value})
        assert who.json()["owner_id"] == client.owner
        problem(await page.post("/api/v1/session", headers={"cookie": value}), 401, "bearer_needed")
        token = value.split("=", 1)[1]
        bearer = {"authorization": f"Bearer {token}"}
        problem(await page.get("/api/v1/session", headers=bearer), 401, "unauthenticated")
        ended = await page.delete("/api/v1/session", headers={"cookie": value})
        assert ended.status_code == 204
        assert 'assay_session=""' in ended.headers["set-cookie"]


async def test_analyzers_come_and_retire(client: Client, publisher: Publisher) -> None:
    manifest = AnalyzerManifest(
        name=f"test-{uuid4().hex[:8]}",
        version="1.2.3",
        title="A test",
        description="It looks for nothing.",
        media_types=("image/*",),
        claims=("manipulated",),
        labels=("manipulated", "no_findings"),
        domain="none",
    )
    at = datetime(2026, 1, 2, tzinfo=UTC)
    await publisher.publish(AnalyzerRegistered(occurred_at=at, manifest=manifest))

    async def look() -> dict[str, Any] | None:
        items = (await client.http.get("/api/v1/analyzers")).json()["items"]
        return next((item for item in items if item["name"] == manifest.name), None)

    found = await eventually(look, "the analyzer")
    assert datetime.fromisoformat(found.pop("registered_at")) == at
    health = found.pop("health")
    assert (health["status"], health["workers"], health["lag"]) == ("no_workers", 0, None), "nobody ever worked for it"
    assert found == manifest.model_dump(mode="json")
    one = await client.http.get(f"/api/v1/analyzers/{manifest.name}")
    assert one.json()["health"]["status"] == "no_workers"
    known = await client.http.get(one.request.url.path, headers={"if-none-match": one.headers["etag"]})
    assert known.status_code in {200, 304}, "some seconds later its health may be another"
    await publisher.send(ANALYZERS.name, manifest.name.encode(), None, [])

    async def gone() -> bool:
        return await look() is None

    await eventually(gone, "it retires")
    problem(await client.http.get(f"/api/v1/analyzers/{manifest.name}"), 404, "analyzer_not_found")


async def test_lag_is_what_lies_before_a_group(
    client: Client, publisher: Publisher, settings: Settings, story: Story
) -> None:
    """A member joins, commits nothing but where the lanes ended, and more is asked for."""
    name = f"test-{uuid4().hex[:8]}"
    consumer = AIOKafkaConsumer(
        *(lane.name for lane in LANES), **connection(settings.kafka), group_id=f"assay.inference.{name}",
        enable_auto_commit=False, auto_offset_reset="latest",
    )  # fmt: skip
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        await consumer.commit({partition: OffsetAndMetadata(end, "") for partition, end in ends.items()})
        await story.say(story.uploaded(), story.requested(name))
        manifest = AnalyzerManifest(
            name=name, version="1.0.0", title="A test", description="Nothing.", media_types=("image/*",),
            claims=("x",), labels=("x",), domain="none",
        )  # fmt: skip
        await publisher.publish(AnalyzerRegistered(occurred_at=datetime.now(UTC), manifest=manifest))

        async def look() -> dict[str, Any] | None:
            answer = await client.http.get(f"/api/v1/analyzers/{name}")
            return answer.json()["health"] if answer.status_code == 200 else None

        health = await eventually(look, "the analyzer")
        assert (health["status"], health["workers"]) == ("working", 1)
        assert health["lag"] == {FILES.name: 2, FILES_BULK.name: 0}
    finally:
        await consumer.stop()
        await publisher.send(ANALYZERS.name, name.encode(), None, [])


async def test_dead_letters_are_for_operators(client_of: Clients, client: Client, publisher: Publisher) -> None:
    at = datetime.now(UTC)
    group = f"test-{uuid4()}"
    for offset in range(3):
        letter = DeadLetter(
            occurred_at=at + timedelta(seconds=offset), group=group, error="ValueError: no", attempts=5,
            topic="assay.files", partition=1, offset=offset,
        )  # fmt: skip
        headers = [("ce_type", b"assay.file.uploaded.v1"), ("odd", b"\xff"), *letter.headers()]
        await publisher.send(DEAD_LETTERS.name, b"key", b"{", headers)
    problem(await client.http.get("/api/v1/dead-letters"), 403, "forbidden")
    body = (await client_of(operator=True).http.get("/api/v1/dead-letters")).json()
    mine = [item for item in body["items"] if item["group"] == group]
    assert [item["origin"] for item in mine] == ["assay.files/1/2", "assay.files/1/1", "assay.files/1/0"]
    assert mine[0]["error"] == "ValueError: no"
    assert (mine[0]["attempts"], mine[0]["type"], mine[0]["key"]) == (5, "assay.file.uploaded.v1", "key")
    assert body["scanned"] >= 3


async def test_odd_characters_do_not_stop_a_verdict(client: Client, story: Story) -> None:
    said = verdict(details={"name": "nul \x00 in it", "none": float("nan"), "\x00": ["\U0001f600"]})
    await story.say(story.uploaded("nul\x00.jpg"), story.requested("jpeg-forensics"))
    await story.say(story.completed("jpeg-forensics", said))
    body = await client.report_of(story.file_id)
    assert body["filename"] == "nul\ufffd.jpg"
    details = body["run"]["analyses"][0]["verdict"]["details"]
    assert details == {"name": "nul \ufffd in it", "none": None, "\ufffd": ["\U0001f600"]}
