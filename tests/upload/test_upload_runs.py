"""Further runs of a file: numbered, planned anew, in the lane asked for, and nobody else's business."""

import asyncio
import json
from uuid import uuid4

from support.services import ServiceProcess
from support.topics import reading
from support.uploads import ANALYZER, SMALL_ANALYZER, Owner, eventually

from assay.contracts import FileDerived
from upload.given import given_derived, given_file
from upload.operators import Operator


async def test_a_second_run_is_planned_and_announced(owner: Owner, environment: dict[str, str]) -> None:
    file_id = await given_file(owner)
    async with reading(environment, "assay.files", "assay.files.bulk") as reader:
        answer = await owner.ask("POST", f"/api/v1/files/{file_id}/runs")
        assert answer.status_code == 202, answer.text
        body = answer.json()
        assert (body["file_id"], body["run_number"], body["status"]) == (str(file_id), 2, "queued")
        assert {ANALYZER, SMALL_ANALYZER} <= set(body["plan"])
        link = f"https://assay.test/api/v1/files/{file_id}/runs/2"
        assert body["links"]["self"] == answer.headers["Location"] == link
        (record,) = await reader.of_key(str(file_id), 1)
    event = json.loads(record.value or b"")
    assert record.topic == "assay.files"
    assert (event["run_id"], event["run_number"], event["plan"]) == (body["run_id"], 2, body["plan"])
    assert (event["owner_id"], event["deadline"]) == (owner.owner_id, body["deadline"])
    assert event["object_key"] == f"files/{file_id}/content"


async def test_analyzers_and_lane_can_be_chosen(owner: Owner, environment: dict[str, str]) -> None:
    file_id = await given_file(owner)
    async with reading(environment, "assay.files", "assay.files.bulk") as reader:
        chosen = {"analyzers": [SMALL_ANALYZER], "priority": "bulk"}
        body = (await owner.ask("POST", f"/api/v1/files/{file_id}/runs", json=chosen)).json()
        assert body["plan"] == [SMALL_ANALYZER]
        (record,) = await reader.of_key(str(file_id), 1)
    assert record.topic == "assay.files.bulk"


async def test_what_cannot_be_done_is_told(owner: Owner, upload: ServiceProcess, environment: dict[str, str]) -> None:
    file_id = await given_file(owner)
    stranger = Operator(upload.url, environment)
    for who, path, body, status, code in (
        (owner, f"{uuid4()}/runs", {}, 404, "file_not_found"),
        # Not even an operator sees that it exists: at this address everybody has their own files.
        (stranger, f"{file_id}/runs", {}, 404, "file_not_found"),
        (owner, f"{file_id}/runs", {"analyzers": ["nobody"]}, 422, "unknown_analyzers"),
        (owner, f"{file_id}/runs", {"analyzers": ["No Name"]}, 422, "invalid_request"),
        (owner, f"{file_id}/runs", {"priority": "first"}, 422, "invalid_request"),
        (owner, f"{file_id}/runs", {"analyser": []}, 422, "invalid_request"),
        (owner, "not-an-id/runs", {}, 422, "invalid_request"),
    ):
        answer = await who.ask("POST", f"/api/v1/files/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_runs_asked_for_at_once_have_numbers_of_their_own(
    owner: Owner, replica: ServiceProcess, environment: dict[str, str]
) -> None:
    file_id = await given_file(owner)
    async with reading(environment, "assay.files", "assay.files.bulk") as reader:
        answers = await asyncio.gather(*(owner.ask("POST", f"/api/v1/files/{file_id}/runs") for _ in range(6)))
        assert sorted(each.json()["run_number"] for each in answers) == [2, 3, 4, 5, 6, 7]
        records = await reader.of_key(str(file_id), 6)
    # Rows of one file leave in the order of their numbers.
    assert [json.loads(each.value or b"")["run_number"] for each in records] == [2, 3, 4, 5, 6, 7]


async def test_an_operators_request_makes_one_run_however_often_it_comes(
    owner: Owner, upload: ServiceProcess, environment: dict[str, str]
) -> None:
    file_id = await given_file(owner)
    operator = Operator(upload.url, environment)
    wish = {"file_id": str(file_id), "analyzers": [ANALYZER], "request_id": str(uuid4()), "priority": "bulk"}
    refused = await owner.ask("POST", "/internal/v1/runs", json=wish)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    answers = await asyncio.gather(*(operator.ask("POST", "/internal/v1/runs", json=wish) for _ in range(4)))
    assert {each.status_code for each in answers} == {202}
    assert len({each.json()["run_id"] for each in answers}) == 1
    assert (await owner.ask("POST", f"/api/v1/files/{file_id}/runs")).json()["run_number"] == 3


async def test_a_derived_file_can_have_further_runs(
    owner: Owner, upload: ServiceProcess, environment: dict[str, str]
) -> None:
    """An analyzer announces it; its bytes never came by here. Said twice, it is there once."""
    parent = await given_file(owner)
    event = await given_derived(environment, owner, parent, lanes=FileDerived.topics)
    found = event.file_id

    async def known() -> bool:
        answer = await owner.ask("POST", f"/api/v1/files/{found}/runs", json={"analyzers": [SMALL_ANALYZER]})
        if answer.status_code == 202:
            assert (answer.json()["run_number"], answer.json()["plan"]) == (2, [SMALL_ANALYZER])
        return answer.status_code == 202

    async with reading(environment, "assay.files", "assay.files.bulk") as reader:
        # A replica that was killed by another test may still be a member of the group, until its session ends.
        await eventually(known, seconds=60)
        records = await reader.wait_until(lambda seen: any(b'"run_number":2' in (each.value or b"") for each in seen))
    request = json.loads(next(each.value for each in records if each.key == str(found).encode() and each.value) or b"")
    assert (request["file_id"], request["object_key"]) == (str(found), event.object_key)
    operator = Operator(upload.url, environment)
    backfilled = await operator.ask(
        "POST", f"/api/v1/analyzers/{ANALYZER}/backfill", params={"since": event.occurred_at.isoformat()}
    )
    # Its first run named this analyzer.
    assert backfilled.json()["requested"] == 0
