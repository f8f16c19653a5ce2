"""Dead letters for operators: the list, one of them, and its replay."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from support.topics import reading

from assay.contracts import encode
from assay.contracts.dead_letters import REDRIVE_GROUP_HEADER, DeadLetter
from assay.contracts.topics import DEAD_LETTERS
from assay.shared.kafka import Publisher
from results.conftest import Clients
from results.story import Client, Story, eventually

Headers = Sequence[tuple[str, bytes | None]]
GROUP = "assay.results"


async def give_up(
    publisher: Publisher,
    value: bytes | None = b"{",
    headers: Headers = (("ce_type", b"assay.file.uploaded.v1"), ("odd", b"\xff"), ("none", None)),
    *,
    group: str,
    topic: str = "assay.files",
    offset: int = 0,
    key: bytes = b"key",
) -> None:
    """Write a dead letter as a consumer does."""
    letter = DeadLetter(
        occurred_at=datetime.now(UTC) + timedelta(seconds=offset), group=group, error="ValueError: no", attempts=5,
        topic=topic, partition=1, offset=offset,
    )  # fmt: skip
    await publisher.send(DEAD_LETTERS.name, key, value, [*headers, *letter.headers()])


@pytest.fixture
def operator(client_of: Clients) -> Client:
    return client_of(operator=True)


async def listed(operator: Client, group: str, **parameters: Any) -> list[dict[str, Any]]:
    """All letters of a group, however many pages they take."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        wanted = {"group": group, **parameters, **({"cursor": cursor} if cursor else {})}
        answer = await operator.http.get("/api/v1/dead-letters", params=wanted)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        found += body["items"]
        cursor = body["next_cursor"]
        if cursor is None:
            return found


async def test_pages_go_back_to_the_first_letter_and_none_comes_twice(operator: Client, publisher: Publisher) -> None:
    group, other = f"test-{uuid4()}", f"test-{uuid4()}"
    await asyncio.gather(
        *(give_up(publisher, group=group, offset=number, key=b"%d" % number) for number in range(40)),
        # More than one page looks at: what is beyond them is found all the same.
        *(give_up(publisher, group=other, offset=number, key=b"same") for number in range(1100)),
    )
    for limit in (7, 500):
        letters = await listed(operator, group, limit=limit)
        assert sorted(each["key"] for each in letters) == sorted(str(number) for number in range(40))
        assert len({(each["partition"], each["offset"]) for each in letters}) == 40
    assert len(await listed(operator, other, limit=500)) == 1100
    bad = await operator.http.get("/api/v1/dead-letters", params={"cursor": "1.2"})
    assert (bad.status_code, bad.json()["code"]) == (422, "bad_cursor")


async def test_one_letter_is_shown_with_all_that_it_has(operator: Client, publisher: Publisher, story: Story) -> None:
    group = f"assay.inference.test-{uuid4().hex[:8]}"
    analyzer = group.removeprefix("assay.inference.")
    request = story.requested(analyzer, "another")
    record = encode(request, source="/assay/upload")
    await give_up(publisher, record.value, record.headers, group=group, key=record.key)
    await give_up(publisher, group=group, offset=1)
    await give_up(publisher, None, [], group=group, offset=2)
    shown = {}
    for each in await listed(operator, group):
        answer = await operator.http.get(f"/api/v1/dead-letters/{each['partition']}/{each['offset']}")
        assert answer.status_code == 200, answer.text
        shown[each["origin"]] = answer.json()
    good, bad, gone = (shown[f"assay.files/1/{offset}"] for offset in range(3))
    assert good["body"]["plan"] == [analyzer, "another"]
    assert (good["file_id"], good["owner_id"], good["way"]) == (str(story.file_id), story.owner, "run")
    assert good["analysis"] == {
        "file_id": str(story.file_id),
        "run_id": str(request.run_id),
        "analyzer": analyzer,
    }
    assert {"name": "ce_source", "value": "/assay/upload", "base64": None} in good["headers"]
    assert (bad["body"], bad["text"], bad["way"], bad["analysis"]) == (None, "{", "record", None)
    assert {"name": "odd", "value": None, "base64": "/w=="} in bad["headers"]
    assert {"name": "none", "value": None, "base64": None} in bad["headers"]
    assert (gone["tombstone"], gone["size"], gone["body"], gone["text"]) == (True, 0, None, None)


async def test_a_record_goes_back_to_its_topic_once_for_its_group_alone(
    operator: Client, client: Client, publisher: Publisher, story: Story, results_environment: dict[str, str]
) -> None:
    """The service itself gave up on the upload of a file; replayed, the file has its name."""
    record = encode(story.uploaded("late.jpg"), source="/assay/upload")
    odd: Headers = [*record.headers, ("odd", b"\xff"), ("none", None)]
    await give_up(publisher, record.value, odd, group=GROUP, key=record.key, topic="assay.files.bulk")
    # The same record twice: a consumer that died between the letter and its commit.
    await give_up(publisher, record.value, odd, group=GROUP, key=record.key, topic="assay.files.bulk")
    await story.say(story.requested("jpeg-forensics"), story.completed("jpeg-forensics"))
    assert (await client.report_of(story.file_id))["filename"] is None
    mine = [each for each in await listed(operator, GROUP) if each["key"] == str(story.file_id)]
    assert [each["replayed_at"] for each in mine] == [None, None]
    async with reading(results_environment, "assay.files.bulk") as reader:
        answers = await asyncio.gather(*(replay(operator, each) for each in [*mine, *mine]))
        codes = sorted((status, body.get("code", "")) for status, body in answers)
        assert set(codes) <= {(202, ""), (409, "being_replayed")}
        again = await replay(operator, mine[1])
        (came,) = await reader.of_key(str(story.file_id), 1)
    assert again[0] == 202
    assert (again[1]["way"], again[1]["repeated"], again[1]["run_id"]) == ("record", True, None)
    assert again[1]["file_id"] == str(story.file_id)
    assert came.value == record.value
    assert dict(came.headers)[REDRIVE_GROUP_HEADER] == GROUP.encode()
    assert dict(came.headers)["odd"] == b"\xff"
    assert dict(came.headers)["none"] is None
    assert not [name for name, _ in came.headers if name.startswith("assay_dead_")]
    await client.file_when(story.file_id, lambda body: body["filename"] == "late.jpg", "the name")
    mine = [each for each in await listed(operator, GROUP) if each["key"] == str(story.file_id)]
    assert sum(each["replayed_at"] is not None for each in mine) == 1


async def test_what_cannot_be_replayed_says_why(operator: Client, client: Client, publisher: Publisher) -> None:
    group = f"test-{uuid4()}"
    await give_up(publisher, group=group, topic="assay.analyzers")
    await give_up(publisher, group=group, topic="somebody.elses", offset=1)
    await give_up(publisher, b"", group=group, offset=10**9)
    letters = await listed(operator, group)
    assert len(letters) == 3
    for each in letters:
        status, body = await replay(operator, each)
        assert (status, body["code"]) == (409, "not_replayable")
    for path in (f"0/{2**50}", "7/0"):
        answer = await operator.http.get(f"/api/v1/dead-letters/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "dead_letter_not_found")
    first = f"/api/v1/dead-letters/{letters[0]['partition']}/{letters[0]['offset']}"
    for answer in (await client.http.get(first), await client.http.post(f"{first}/replay")):
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def replay(operator: Client, letter: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    path = f"/api/v1/dead-letters/{letter['partition']}/{letter['offset']}/replay"
    answer = await operator.http.post(path)
    return answer.status_code, answer.json()


async def test_a_run_that_is_refused_can_be_asked_for_again(
    operator: Client, publisher: Publisher, story: Story
) -> None:
    """Nobody makes runs here: the service that stands in for upload has no such address."""
    group = f"assay.inference.test-{uuid4().hex[:8]}"
    record = encode(story.requested(group.removeprefix("assay.inference.")), source="/assay/upload")
    await give_up(publisher, record.value, record.headers, group=group, key=record.key)
    (letter,) = await listed(operator, group)
    for _ in range(2):
        status, body = await replay(operator, letter)
        assert (status, body["code"], body["cause"]) == (409, "not_replayable", "not_found")
    (letter,) = await listed(operator, group)
    assert letter["replayed_at"] is None


async def test_a_letter_about_a_deleted_file_is_shown_to_nobody(
    operator: Client, publisher: Publisher, story: Story
) -> None:
    group = f"test-{uuid4()}"
    uploaded = encode(story.uploaded(), source="/test")
    await give_up(publisher, uploaded.value, uploaded.headers, group=group, key=str(story.file_id).encode())
    deleted = encode(story.deleted(), source="/test")
    await give_up(publisher, deleted.value, deleted.headers, group=group, key=str(story.file_id).encode())
    letters = await listed(operator, group)
    assert {each["type"] for each in letters} == {"assay.file.uploaded.v1", "assay.file.deleted.v1"}
    place = next(f"{each['partition']}/{each['offset']}" for each in letters if "uploaded" in each["type"])
    assert story.uploaded().filename in (await operator.http.get(f"/api/v1/dead-letters/{place}")).text
    await story.say(story.uploaded(), story.requested("a-one"), story.deleted())

    async def hidden() -> bool:
        return [each["type"] for each in await listed(operator, group)] == ["assay.file.deleted.v1"]

    await eventually(hidden, "the letter with the name is hidden")
    for answer in (
        await operator.http.get(f"/api/v1/dead-letters/{place}"),
        await operator.http.post(f"/api/v1/dead-letters/{place}/replay"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "dead_letter_not_found")
        assert story.uploaded().filename not in answer.text
