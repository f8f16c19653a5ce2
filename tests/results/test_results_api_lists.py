"""Lists of files: filters, orders, cursors, sparse fields; and answers that a client has already. On real parts."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from assay.contracts import Verdict
from assay.shared.ids import made_at
from assay.shared.kafka import Publisher
from results.story import NOON, Client, Story, verdict
from results.test_results_api import problem

# Name, media type, score of its report (none: no run), label.
SHELF: list[tuple[str, str, float | None, str]] = [
    ("alpha.jpg", "image/jpeg", 0.91, "manipulated"),
    ("Beta.png", "image/png", 0.12, "no_findings"),
    ("beta_2.png", "image/png", 0.77, "manipulated"),
    ("song.wav", "audio/wav", 0.40, "synthetic"),
    ("waiting.jpg", "image/jpeg", None, ""),
]
SHA = {"song.wav": "cd" * 32}


@pytest.fixture
async def shelf(client: Client, publisher: Publisher) -> dict[str, UUID]:
    """Five files of one owner, by name, in the order of their ids."""
    found = {}
    stories = sorted((Story(publisher, client.owner) for _ in SHELF), key=lambda each: each.file_id)
    for story, (name, media_type, score, label) in zip(stories, SHELF, strict=True):
        facts = {"media_type": media_type, **({"sha256": SHA[name]} if name in SHA else {})}
        await story.say(story.uploaded(name, **facts))
        if score is not None:
            analyzer = "voice-check" if media_type == "audio/wav" else "jpeg-forensics"
            request = story.requested(analyzer).model_copy(update=facts)
            await story.say(request, story.completed(analyzer, _said(label, score)))
        found[name] = story.file_id
    for name, file_id in found.items():
        if name == "waiting.jpg":
            await client.file_when(file_id, lambda body: body["filename"], name)
        else:
            await client.report_of(file_id)
    return found


def _said(label: str, score: float) -> Verdict:
    return verdict(label, claim="synthetic" if label == "synthetic" else "manipulated", score=score)


async def page(client: Client, **params: Any) -> dict[str, Any]:
    answer = await client.http.get("/api/v1/files", params=params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def names(client: Client, **params: Any) -> list[str]:
    return [item["filename"] for item in (await page(client, **params))["items"]]


async def test_every_filter_and_order(client: Client, shelf: dict[str, UUID]) -> None:
    everything = list(shelf)
    assert await names(client) == everything[::-1]
    assert await names(client, sort="oldest") == everything
    assert await names(client, sort="name") == ["alpha.jpg", "Beta.png", "beta_2.png", "song.wav", "waiting.jpg"]
    by_score = await page(client, sort="score")
    scores = [(each["run"] or {"report": None})["report"] for each in by_score["items"]]
    assert scores[-1] is None and by_score["items"][-1]["filename"] == "waiting.jpg", "what has none comes last"
    numbers = [each["score"] for each in scores[:-1]]
    assert numbers == sorted(numbers, reverse=True) and len(set(numbers)) == 4
    top, low = numbers[0], numbers[-1]
    assert await names(client, min_score=top) == [by_score["items"][0]["filename"]]
    assert await names(client, max_score=low) == [by_score["items"][3]["filename"]]
    assert len(await names(client, min_score=low, max_score=top)) == 4
    assert await names(client, media_type="image/*") == ["waiting.jpg", "beta_2.png", "Beta.png", "alpha.jpg"]
    assert await names(client, media_type="audio/wav") == ["song.wav"]
    assert await names(client, analyzer="voice-check") == ["song.wav"]
    assert await names(client, analyzer="unheard-of") == []
    assert await names(client, name="BETA") == ["beta_2.png", "Beta.png"]
    assert await names(client, name="beta_") == ["beta_2.png"]
    assert await names(client, q="ETA", sort="oldest") == ["Beta.png", "beta_2.png"]
    assert await names(client, sha256=SHA["song.wav"]) == ["song.wav"]
    assert await names(client, status="analyzed", label="manipulated", media_type="image/png") == ["beta_2.png"]


async def test_a_time_is_when_the_upload_began(client: Client, shelf: dict[str, UUID]) -> None:
    third = made_at(shelf["beta_2.png"])
    assert isinstance(third, datetime)
    since = await names(client, since=third.isoformat())
    until = await names(client, until=third.isoformat())
    assert "beta_2.png" in since and "beta_2.png" not in until
    assert sorted([*since, *until]) == sorted(shelf)
    assert await names(client, since=(third + timedelta(days=1)).isoformat()) == []
    assert len(await names(client, since="0001-01-01T00:00:00+14:00", until="9999-12-31T23:59:59-14:00")) == 5


@pytest.mark.parametrize("sort", ["newest", "oldest", "score", "name"])
async def test_pages_are_the_list_whatever_comes_between(
    client: Client, publisher: Publisher, shelf: dict[str, UUID], sort: str
) -> None:
    whole = await names(client, sort=sort)
    first = await page(client, sort=sort, limit=2)
    other = Story(publisher, client.owner)
    await other.say(other.uploaded("alpha-0.jpg"))
    await client.file_when(other.file_id, lambda body: body["filename"], "another file")
    pages, cursor = [each["filename"] for each in first["items"]], first["next_cursor"]
    while cursor:
        following = await page(client, sort=sort, limit=2, cursor=cursor)
        pages += [each["filename"] for each in following["items"]]
        cursor = following["next_cursor"]
    assert [each for each in pages if each != "alpha-0.jpg"] == whole, "none is skipped, none comes twice"


async def test_a_cursor_of_another_query_is_refused(client: Client, shelf: dict[str, UUID]) -> None:
    cursor = (await page(client, limit=2))["next_cursor"]
    for params in ({"sort": "score"}, {"sort": "oldest"}, {"label": "manipulated"}, {"q": "a"}, {"min_score": "0.5"}):
        answer = await client.http.get("/api/v1/files", params={**params, "limit": 2, "cursor": cursor})
        problem(answer, 422, "cursor_of_another_query")
    assert len(await names(client, limit=1, cursor=cursor)) == 1, "a page of another size goes on all the same"
    by_name = (await page(client, sort="name", limit=1))["next_cursor"]
    written_for, _, file_id = json.loads(base64.urlsafe_b64decode(by_name + "=" * (-len(by_name) % 4)))
    for key in ("\x00", "\ud800", 7, None, ["a"]):
        forged = base64.urlsafe_b64encode(json.dumps([written_for, key, file_id]).encode()).decode().rstrip("=")
        answer = await client.http.get("/api/v1/files", params={"sort": "name", "limit": 1, "cursor": forged})
        problem(answer, 422, "bad_cursor")
    for broken in (cursor[:-4], cursor[::-1], "W10", "bnVsbA", "x" * 2001):
        answer = await client.http.get("/api/v1/files", params={"cursor": broken})
        assert (answer.status_code, answer.json()["code"]) in {(422, "bad_cursor"), (422, "invalid_request")}


@pytest.mark.parametrize(
    "params",
    [
        {"min_score": "0.9", "max_score": "0.1"},
        {"min_score": "2"},
        {"min_score": "nan"},
        {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        {"since": "2026-02-01T00:00:00"},
        {"since": "0"},
        {"sha256": "abc"},
        {"analyzer": "No Name"},
        {"sort": "size"},
        {"fields": "filename,secret"},
        {"fields": "run.nothing"},
        {"name": "x" * 201},
    ],
)
async def test_what_is_refused(client: Client, params: dict[str, str]) -> None:
    problem(await client.http.get("/api/v1/files", params=params), 422, "invalid_request")


async def test_sparse_fields(client: Client, shelf: dict[str, UUID]) -> None:
    body = await page(client, fields="filename, status,run.report", sort="oldest", limit=1)
    [item] = body["items"]
    assert body["next_cursor"]
    assert set(item) == {"file_id", "filename", "status", "run"}
    assert set(item["run"]) == {"report"}
    assert item["run"]["report"]["label"] == "manipulated"
    answer = await client.http.get(f"/api/v1/files/{shelf['alpha.jpg']}", params={"fields": "sha256,feedback"})
    assert set(answer.json()) == {"file_id", "sha256", "feedback"}
    whole = await client.http.get(f"/api/v1/files/{shelf['alpha.jpg']}", params={"fields": "run"})
    assert whole.json()["run"]["analyses"][0]["analyzer"] == "jpeg-forensics"


async def test_an_etag_stands_for_what_was_answered(client: Client, shelf: dict[str, UUID], story: Story) -> None:
    await story.say(story.uploaded(), story.requested("jpeg-forensics"), story.completed("jpeg-forensics"))
    await client.report_of(story.file_id)
    here = f"/api/v1/files/{story.file_id}"
    for path in (here, f"{here}/runs/1", f"{here}/runs/1/analyses/jpeg-forensics"):
        first = await client.http.get(path)
        tag = first.headers["etag"]
        assert "no-cache" in first.headers["cache-control"]
        for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
            again = await client.http.get(path, headers={"if-none-match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert (await client.http.get(path, headers={"if-none-match": '"other"'})).status_code == 200
    problem(await client.http.get(f"{here}/runs/1/analyses/unheard-of"), 404, "analysis_not_found")
    tag = (await client.http.get(here)).headers["etag"]
    posted = await client.http.post(f"{here}/feedback", json={"label": "authentic"})
    assert posted.status_code == 201
    changed: httpx.Response = await client.http.get(here, headers={"if-none-match": tag})
    assert changed.status_code == 200 and changed.headers["etag"] != tag
    assert story.clock > NOON
