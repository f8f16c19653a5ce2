"""The same bytes of the same owner are one file; of another owner, or forced, a file of its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from support.services import ServiceProcess
from support.topics import reading
from support.uploads import SMALL_ANALYZER, Owner, Storage, eventually, form, jpeg, large_jpeg, manifest, publish

from assay.contracts import FileUploaded, RunRequested, decode

LANES = ("assay.files", "assay.files.bulk")
ALONE = "upload-test-alone"
TYPE = "video/x-matroska"
MATROSKA = bytes.fromhex("1a45dfa3a34286810142f7810142f2810442f381084282886d6174726f736b6142878104428581021853806701")


def stamped(content: bytes) -> bytes:
    return content + uuid4().bytes


@pytest.mark.parametrize("size", [10_000, 9 * 1024 * 1024], ids=["in one part", "in two"])
async def test_known_bytes_are_answered_with_the_earlier_file(
    size: int, owner: Owner, storage: Storage, environment: dict[str, str]
) -> None:
    content = b"".join(large_jpeg(size))
    async with reading(environment, *LANES) as topics:
        first = await owner.send(content)
        keys = storage.keys()
        again = await owner.post(form(("file", "another name.jpg", [content])))
        assert (first.status_code, again.status_code) == (202, 200), again.text
        assert again.headers["location"] == first.headers["location"]
        assert again.json() == {**first.json(), "known": True, "status": None}
        assert await storage.intents(owner) == []
        assert storage.keys() == keys
        assert len(await storage.files(owner)) == 1
        # A further run leaves behind whatever the second upload would have announced.
        answer = await owner.ask("POST", f"/api/v1/files/{first.json()['file_id']}/runs")
        assert answer.json()["run_number"] == 2
        records = await topics.of_key(first.json()["file_id"], 3)
    assert [type(decode(each.value, each.headers)) for each in records] == [FileUploaded, RunRequested, RunRequested]


async def test_two_uploads_of_the_same_bytes_at_once_make_one_file(
    upload: ServiceProcess, replica: ServiceProcess, owner: Owner, storage: Storage
) -> None:
    for _ in range(5):
        content = jpeg()
        before = storage.keys()
        answers = await asyncio.gather(
            *(owner.send(content, url=service.url) for service in (upload, replica) for _ in range(3))
        )
        assert sorted(each.status_code for each in answers) == [200] * 5 + [202]
        (file_id,) = {each.json()["file_id"] for each in answers}
        assert len({each.json()["run_id"] for each in answers}) == 1
        assert storage.keys() - before == {f"files/{file_id}/content"}
    assert await storage.intents(owner) == []
    assert len(await storage.files(owner)) == 5


async def test_the_same_bytes_twice_in_one_request(owner: Owner, storage: Storage) -> None:
    content, other = jpeg(), jpeg()
    answer = await owner.send(content, content, other)
    assert answer.status_code == 202
    first, second, third = answer.json()["files"]
    assert (first["known"], second["known"], third["known"]) == (False, True, False)
    assert first["file_id"] == second["file_id"] != third["file_id"]
    again = await owner.send(content, b"", other)
    assert again.status_code == 200
    assert [each.get("file_id") for each in again.json()["files"]] == [first["file_id"], None, third["file_id"]]
    assert again.json()["files"][1]["code"] == "empty_file"
    assert len(await storage.files(owner)) == 2


async def test_forced_bytes_are_a_file_of_their_own(
    owner: Owner, storage: Storage, environment: dict[str, str]
) -> None:
    content = jpeg()
    first = (await owner.send(content)).json()["file_id"]
    async with reading(environment, *LANES) as topics:
        answer = await owner.send(content, force="true")
        assert (answer.status_code, answer.json()["known"]) == (202, False)
        forced = answer.json()["file_id"]
        assert forced != first
        _, requested = [decode(each.value, each.headers) for each in await topics.of_key(forced, 2)]
    # Verdicts on the same bytes are taken over all the same.
    assert isinstance(requested, RunRequested)
    assert requested.same_bytes == (UUID(first),)
    assert storage.content(f"files/{forced}/content") == content
    # A forced file is nobody's earlier one.
    assert (await owner.send(content)).json()["file_id"] == first
    refused = await owner.send(content, force="perhaps")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


async def test_another_owners_bytes_are_not_known(owner: Owner, environment: dict[str, str]) -> None:
    content = jpeg()
    first = await owner.send(content)
    stranger = await Owner(owner.url, environment).send(content)
    assert stranger.status_code == 202
    assert stranger.json()["file_id"] != first.json()["file_id"]
    assert stranger.json()["known"] is False


async def test_known_bytes_are_examined_again_where_the_plan_differs(owner: Owner) -> None:
    content = jpeg()
    first = (await owner.send(content)).json()
    chosen = await owner.send(content, analyzers=SMALL_ANALYZER, priority="bulk")
    assert (chosen.status_code, chosen.json()["plan"]) == (200, [SMALL_ANALYZER])
    assert (chosen.json()["file_id"], chosen.json()["status"]) == (first["file_id"], "queued")
    assert chosen.json()["run_id"] != first["run_id"]
    same = (await owner.send(content, analyzers=SMALL_ANALYZER)).json()
    assert (same["run_id"], same["status"]) == (chosen.json()["run_id"], None)


@pytest.fixture
async def alone(owner: Owner, environment: dict[str, str]) -> AsyncIterator[str]:
    """An analyzer of a type that no other one takes."""
    await publish(environment, manifest(ALONE, (TYPE,)))
    await owner.until_known({ALONE})
    yield ALONE
    await publish(environment, retired=[ALONE])


async def test_known_bytes_are_examined_again_by_a_new_version(
    alone: str, owner: Owner, environment: dict[str, str], storage: Storage
) -> None:
    content = stamped(MATROSKA)
    first = (await owner.send(content)).json()
    assert first.get("plan") == [alone], first
    newer = manifest(alone, (TYPE,)).model_copy(update={"version": "1.1.0"})
    async with reading(environment, *LANES) as topics:
        await publish(environment, newer)

        async def is_examined_again() -> bool:
            answer: dict[str, str] = (await owner.send(content)).json()
            return answer["run_id"] != first["run_id"]

        await eventually(is_examined_again)
        (record,) = await topics.of_key(first["file_id"], 1)
    event = json.loads(record.value or b"")
    assert (event["run_number"], event["plan"]) == (2, [alone])
    assert event["same_bytes"] == [first["file_id"]]
    assert [row["run_number"] for row in await storage.files(owner)] == [1, 2]
    assert (await owner.send(content)).json()["run_id"] == event["run_id"]
