"""Runs compared, and lists exported: by HTTP, on real parts."""

import csv
import io
import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from support.services import ServiceProcess

from assay.results.exporting import csv_lines
from assay.shared.kafka import Publisher
from results.story import Client, Story, eventually, verdict
from results.test_results_api import old_id, problem

HOSTILE = '=HYPERLINK("http://evil.example","x")\r\n,"quoted".jpg'


async def test_two_runs_are_compared(client: Client, story: Story) -> None:
    await story.say(story.uploaded(), story.requested("jpeg-forensics", "provenance", "old-one"))
    await story.say(story.completed("jpeg-forensics", verdict("no_findings", score=0.1)))
    await story.say(story.completed("provenance", verdict("no_findings", score=0.2)), story.failed("old-one"))
    await client.report_of(story.file_id)
    path = f"/api/v1/files/{story.file_id}/runs"
    problem(await client.http.get(f"{path}/compare"), 404, "run_not_found")
    story.run_id = UUID(int=story.run_id.int + 1)
    await story.say(story.requested("jpeg-forensics", "provenance", "new-one", number=2))
    await story.say(story.completed("jpeg-forensics", verdict("manipulated", score=0.9), version="2.0.0"))
    await story.say(story.completed("provenance", verdict("no_findings", score=0.2), duration_ms=999))
    await story.say(story.completed("new-one", verdict("manipulated")))
    await client.file_when(story.file_id, lambda body: body["run"]["run_number"] == 2 and body["run"]["report"], "2")
    assert [each["run_number"] for each in (await client.http.get(path)).json()["items"]] == [2, 1]
    changes = (await client.http.get(f"{path}/compare")).json()
    assert (changes["before"]["run_number"], changes["after"]["run_number"], changes["same"]) == (1, 2, False)
    by_name = {each["analyzer"]: each for each in changes["analyses"]}
    assert {name: each["change"] for name, each in by_name.items()} == {
        "jpeg-forensics": "changed", "provenance": "same", "old-one": "removed", "new-one": "added",
    }  # fmt: skip
    forensics = by_name["jpeg-forensics"]
    assert forensics["changed"] == ["version", "label", "score"]
    assert forensics["score_change"] == 0.8
    assert forensics["evidence_gained"] == ["A trace of manipulated."]
    assert forensics["evidence_lost"] == ["A trace of no_findings."]
    assert by_name["old-one"]["before"]["error"]["code"] == "media_unreadable"
    assert {"status", "label", "score", "summary"} <= set(changes["report"]["changed"])
    assert (changes["report"]["missing_before"], changes["report"]["missing_after"]) == (["old-one"], [])
    back = (await client.http.get(f"{path}/compare", params={"before": 2, "after": 1})).json()
    assert back["report"]["score_change"] == -changes["report"]["score_change"]
    same = (await client.http.get(f"{path}/compare", params={"before": 2, "after": 2})).json()
    assert same["same"] is True
    problem(await client.http.get(f"{path}/compare", params={"before": 7}), 404, "run_not_found")
    problem(await client.http.get(f"/api/v1/files/{old_id()}/runs/compare"), 404, "file_not_found")
    problem(await client.http.get(f"/api/v1/files/{old_id()}/runs"), 404, "file_not_found")


@pytest.fixture
async def many(client: Client, publisher: Publisher) -> list[Story]:
    """More files than one part of a stream has, the last with a report and a name that is an attack."""
    stories = [Story(publisher, client.owner) for _ in range(230)]
    for story in stories[:-1]:
        await story.say(story.uploaded(f"{story.file_id}.jpg"))
    last = stories[-1]
    await last.say(last.uploaded(HOSTILE), last.requested("jpeg-forensics"), last.completed("jpeg-forensics"))
    await client.report_of(last.file_id)

    async def all_there() -> bool:
        return (await client.http.get("/api/v1/stats")).json()["files"] == len(stories)

    await eventually(all_there, "all files")
    return stories


async def test_exports_are_the_whole_list(client: Client, many: list[Story]) -> None:
    answer = await client.http.get("/api/v1/export")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == 'attachment; filename="assay-files.ndjson"'
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert sorted(line["file_id"] for line in lines) == sorted(str(each.file_id) for each in many)
    newest = next(line for line in lines if line["file_id"] == str(many[-1].file_id))
    assert newest == await client.file(many[-1].file_id)
    params: dict[str, Any] = {"fields": "filename", "status": "analyzed"}
    [only] = (await client.http.get("/api/v1/export", params=params)).text.splitlines()
    assert json.loads(only) == {"file_id": str(many[-1].file_id), "filename": HOSTILE}

    table = await client.http.get("/api/v1/export", params={"format": "csv", "sort": "name"})
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(table.text, newline="")))
    assert len(rows) == len(many)
    row = next(each for each in rows if each["file_id"] == str(many[-1].file_id))
    assert row["filename"] == f"'{HOSTILE}", "no spreadsheet runs it"
    assert (row["label"], row["status"], row["run_number"]) == ("manipulated", "analyzed", "1")
    assert row["verdicts"] == "jpeg-forensics: manipulated 0.930"
    problem(await client.http.get("/api/v1/export", params={"format": "xlsx"}), 422, "invalid_request")


async def test_who_leaves_in_the_middle_leaves_nothing_open(
    client: Client, many: list[Story], results: ServiceProcess
) -> None:
    """More broken exports than there may be at once; the next one is answered all the same."""
    headers = {"authorization": f"Bearer {client.token}"}
    for _ in range(6):
        async with (
            httpx.AsyncClient(base_url=results.url, headers=headers) as leaving,
            leaving.stream("GET", "/api/v1/export") as stream,
        ):
            async for _line in stream.aiter_lines():
                break
    assert len((await client.http.get("/api/v1/export")).text.splitlines()) == len(many)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "\uff1d1+1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    [row] = csv.reader(io.StringIO(csv_lines([(cell, -1.5, None)]).decode(), newline=""))
    assert row == [f"'{cell}", "-1.5", ""]
