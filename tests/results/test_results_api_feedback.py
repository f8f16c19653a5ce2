"""What people say of files: by HTTP, on real parts, and as other systems hear it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from assay.contracts import AnalyzerManifest, AnalyzerRegistered, FeedbackRecorded, FeedbackWithdrawn, decode
from assay.contracts.topics import ANALYSES, ANALYZERS
from assay.results.settings import Settings
from assay.shared.kafka import Publisher, connection
from results.story import Client, Story, eventually, verdict
from results.test_results_api import finished, old_id, problem

Clients = Callable[..., Client]


async def say(client: Client, file_id: UUID, **body: Any) -> dict[str, Any]:
    answer = await client.http.post(f"/api/v1/files/{file_id}/feedback", json=body)
    assert answer.status_code == 201, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def heard(settings: Settings, file_id: UUID, number: int) -> list[FeedbackRecorded | FeedbackWithdrawn]:
    """The first events about feedback on a file, as a subscriber reads them from the topic's beginning."""
    consumer = AIOKafkaConsumer(
        ANALYSES.name, **connection(settings.kafka), auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    found: list[FeedbackRecorded | FeedbackWithdrawn] = []
    try:
        while len(found) < number:
            for records in (await consumer.getmany(timeout_ms=5000)).values():
                for record in records:
                    if record.key != str(file_id).encode():
                        continue
                    event = decode(record.value, record.headers)
                    if isinstance(event, FeedbackRecorded | FeedbackWithdrawn):
                        found.append(event)
    finally:
        await consumer.stop()
    return found


async def test_one_per_person_shown_replaced_and_taken_back(client: Client, story: Story, settings: Settings) -> None:
    await finished(client, story)
    first = await say(client, story.file_id, label="authentic", note="I took it myself.")
    assert (first["person"], first["run_number"], first["analyzer"]) == (client.owner, 1, None)
    assert (await client.file(story.file_id))["feedback"] == [first]
    assert await say(client, story.file_id, label="authentic", note="I took it myself.") == first
    second = await say(client, story.file_id, label="manipulated", analyzer="jpeg-forensics")
    assert second["feedback_id"] != first["feedback_id"]
    assert (await client.find(story.file_id) or {})["feedback"] == [second]
    body = await client.file(story.file_id)
    assert (body["status"], body["run"]["report"]["label"]) == ("analyzed", "manipulated"), "no report changes"
    for status in (204, 404):
        answer = await client.http.delete(f"/api/v1/files/{story.file_id}/feedback")
        assert answer.status_code == status
    assert answer.json()["code"] == "feedback_not_found"
    assert (await client.file(story.file_id))["feedback"] == []
    events = await heard(settings, story.file_id, 3)
    assert [each.event_id for each in events[:2]] == [UUID(first["feedback_id"]), UUID(second["feedback_id"])]
    assert isinstance(events[1], FeedbackRecorded)
    assert (events[1].run_id, events[1].run_number, events[1].label) == (story.run_id, 1, "manipulated")
    assert isinstance(events[2], FeedbackWithdrawn)
    assert events[2].feedback_id == events[1].feedback_id


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "invalid_request"),
        ({"label": "Very Fake!"}, 422, "invalid_request"),
        ({"label": "authentic", "note": "x" * 2001}, 422, "invalid_request"),
        ({"label": "authentic", "note": "\x00"}, 422, "invalid_request"),
        ({"label": "authentic", "lable": "x"}, 422, "invalid_request"),
        ({"label": "authentic", "run_number": 2}, 404, "run_not_found"),
        ({"label": "authentic", "analyzer": "unheard-of"}, 404, "analysis_not_found"),
    ],
)
async def test_what_is_refused(client: Client, story: Story, body: dict[str, Any], status: int, code: str) -> None:
    await finished(client, story)
    problem(await client.http.post(f"/api/v1/files/{story.file_id}/feedback", json=body), status, code)
    assert (await client.file(story.file_id))["feedback"] == []


async def test_nobody_says_anything_of_other_peoples_files(client_of: Clients, client: Client, story: Story) -> None:
    await finished(client, story)
    other = client_of(operator=True)
    for file_id in (story.file_id, old_id()):
        path = f"/api/v1/files/{file_id}/feedback"
        problem(await other.http.post(path, json={"label": "authentic"}), 404, "file_not_found")
        problem(await other.http.delete(path), 404, "file_not_found")


async def test_it_is_about_the_run_that_was_looked_at(client: Client, story: Story) -> None:
    """A later run says something else; what was said of the first one stays what it was."""
    await finished(client, story)
    first_run = story.run_id
    await say(client, story.file_id, label="manipulated")
    story.run_id = UUID(int=first_run.int + 1)
    await story.say(story.requested("jpeg-forensics", number=2))
    await story.say(story.completed("jpeg-forensics", verdict("no_findings", score=0.02)))
    body = await client.file_when(story.file_id, lambda body: body["run"]["run_number"] == 2, "the second run")
    assert [each["run_number"] for each in body["feedback"]] == [1]
    assert (await say(client, story.file_id, label="manipulated"))["run_number"] == 2
    assert (await say(client, story.file_id, label="manipulated", run_number=1))["run_number"] == 1


async def test_a_deleted_files_feedback_is_erased(client: Client, story: Story, engine: AsyncEngine) -> None:
    await finished(client, story)
    await say(client, story.file_id, label="authentic", note="secret")
    await story.say(story.deleted())

    async def rows() -> bool:
        async with engine.connect() as connection:
            count = await connection.scalar(
                text("SELECT count(*) FROM feedback WHERE file_id = :id").bindparams(id=story.file_id)
            )
        return count == 0

    await eventually(rows, "the feedback is gone")
    answer = await client.http.post(f"/api/v1/files/{story.file_id}/feedback", json={"label": "authentic"})
    problem(answer, 404, "file_not_found")


async def test_confusion_compares_what_can_be_compared(
    client_of: Clients, client: Client, publisher: Publisher
) -> None:
    analyzer, other = f"test-{uuid4().hex[:8]}", f"mail-{uuid4().hex[:8]}"
    for name, labels in ((analyzer, ("manipulated", "no_findings")), (other, ("spam", "ham"))):
        manifest = AnalyzerManifest(
            name=name, version="1.0.0", title="A test", description="Nothing.", media_types=("image/*",),
            claims=("x",), labels=labels, domain="none",
        )  # fmt: skip
        await publisher.publish(AnalyzerRegistered(occurred_at=datetime.now(UTC), manifest=manifest))

    async def registered() -> bool:
        items = (await client.http.get("/api/v1/analyzers")).json()["items"]
        return {analyzer, other} <= {item["name"] for item in items}

    await eventually(registered, "the analyzers")
    given = [("manipulated", "manipulated"), ("manipulated", "authentic"), ("no_findings", "manipulated")]
    for said, label in given:
        story = Story(publisher, client.owner)
        await story.say(story.uploaded(), story.requested(analyzer, other))
        await story.say(story.completed(analyzer, verdict(said)), story.completed(other, verdict("ham", claim="spam")))
        await client.report_of(story.file_id)
        await say(client, story.file_id, label=label)
    problem(await client.http.get("/api/v1/feedback/confusion"), 403, "forbidden")
    operator = client_of(operator=True)
    body = (await operator.http.get("/api/v1/feedback/confusion")).json()
    tables = {each["analyzer"]: each for each in body["analyzers"]}
    assert other not in tables, "what was said tells nothing about mail"
    assert tables[analyzer] == {
        "analyzer": analyzer,
        "feedback": 3,
        "agreed": 1,
        "cells": [{"said": said, "given": label, "number": 1} for said, label in sorted(given)],
    }
    assert body["report"]["feedback"] >= 3
    await say(client, story.file_id, label="spam", analyzer=other)
    body = (await operator.http.get("/api/v1/feedback/confusion")).json()
    tables = {each["analyzer"]: each for each in body["analyzers"]}
    assert tables[other]["cells"] == [{"said": "ham", "given": "spam", "number": 1}]
    assert tables[analyzer]["feedback"] == 2, "it replaced what was said of the report"
    for until in ("0001-01-01T00:00:00Z", "1970-01-01T00:00:00+14:00"):
        answer = await operator.http.get("/api/v1/feedback/confusion", params={"until": until})
        problem(answer, 422, "invalid_request")
    endless = {"since": "0001-01-01T00:00:00+14:00", "until": "9999-12-31T23:59:59-14:00"}
    assert (await operator.http.get("/api/v1/feedback/confusion", params=endless)).status_code == 200
    swapped = {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
    problem(await operator.http.get("/api/v1/feedback/confusion", params=swapped), 422, "invalid_request")
    for name in (analyzer, other):
        await publisher.send(ANALYZERS.name, name.encode(), None, [])
