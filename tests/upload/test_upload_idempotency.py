"""`Idempotency-Key`: sent again, a request has no further effect and the same answer, at any replica."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from support.services import ServiceProcess, running_service
from support.uploads import Owner, Storage, eventually, form, jpeg, large_jpeg

from upload.test_upload_refusals import assert_problem

LOCK = "LOCK TABLE idempotency_outcomes IN SHARE MODE"


@contextmanager
def killed_service(environment: dict[str, str], folder: Path) -> Iterator[ServiceProcess]:
    """A service that is killed in the block, or at its end."""
    service = ServiceProcess("upload", environment, folder / "killed.log")
    service.start()
    try:
        yield service
    finally:
        service.kill()


def a_key() -> str:
    return f'"{uuid4()}"'


async def post(owner: Owner, key: str, content: Iterable[bytes], *, url: str | None = None) -> httpx.Response:
    return await owner.post(content, url=url, headers={"Idempotency-Key": key})


async def test_the_same_request_has_one_effect_and_one_answer(
    owner: Owner, replica: ServiceProcess, storage: Storage
) -> None:
    key, picture = a_key(), jpeg()
    before = storage.keys()

    def request() -> Iterable[bytes]:
        return form(("file", "a.jpg", [picture]), ("force", None, [b"true"]))

    first = await post(owner, key, request())
    assert first.status_code == 202
    again = await post(owner, key, request())
    # Delimited otherwise, and with the bare text as the key, it is the same request.
    elsewhere = await owner.post(
        form(("file", "a.jpg", [picture]), ("force", None, [b"true"]), boundary="another"),
        url=replica.url,
        headers={"Idempotency-Key": key.strip('"'), "Content-Type": "multipart/form-data; boundary=another"},
    )
    for answer in (again, elsewhere):
        assert (answer.status_code, answer.json()) == (202, first.json()), answer.text
        assert answer.headers["location"] == first.headers["location"]
    assert storage.keys() - before == {f"files/{first.json()['file_id']}/content"}
    assert len(await storage.files(owner)) == 1


async def test_known_content_stays_known(owner: Owner) -> None:
    picture, key = jpeg(), a_key()
    await owner.send(picture)
    answers = [await post(owner, key, form(("file", "a.jpg", [picture]))) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()


async def test_outcomes_of_several_files_are_told_again(owner: Owner, storage: Storage) -> None:
    key, pictures = a_key(), [jpeg(), jpeg()]

    def request() -> Iterable[bytes]:
        return form(
            ("file", "a.jpg", [pictures[0]]),
            ("file", "empty.jpg", []),
            ("file", "", []),
            ("file", "b.jpg", [pictures[1]]),
        )

    first = (await post(owner, key, request())).json()["files"]
    again = (await post(owner, key, request())).json()["files"]
    for each in (*first, *again):
        each.pop("trace_id", None)
    assert again == first
    assert [each.get("code") for each in first] == [None, "empty_file", None]
    assert len(await storage.files(owner)) == 2


@pytest.mark.parametrize("differs", ["content", "name", "field"])
async def test_another_request_under_the_same_key_is_refused(differs: str, owner: Owner, storage: Storage) -> None:
    key, picture = a_key(), jpeg()
    first = await post(owner, key, form(("file", "a.jpg", [picture])))
    before = storage.keys()
    others = {
        "content": form(("file", "a.jpg", [jpeg()])),
        "name": form(("file", "b.jpg", [picture])),
        "field": form(("priority", None, [b"bulk"]), ("file", "a.jpg", [picture])),
    }
    assert_problem(await post(owner, key, others[differs]), 422, "idempotency_key_reused")
    assert storage.keys() == before
    assert (await post(owner, key, form(("file", "a.jpg", [picture])))).json() == first.json()


async def test_a_key_is_its_owners_own(owner: Owner, environment: dict[str, str]) -> None:
    key, picture = a_key(), jpeg()
    first = await post(owner, key, form(("file", "a.jpg", [picture])))
    stranger = await post(Owner(owner.url, environment), key, form(("file", "b.jpg", [jpeg()])))
    assert (first.status_code, stranger.status_code) == (202, 202)


async def test_while_the_first_request_runs_a_second_is_told_to_wait(
    owner: Owner, replica: ServiceProcess, storage: Storage
) -> None:
    key = a_key()
    content = b"".join(form(("file", "a.jpg", large_jpeg(9 * 1024 * 1024))))
    async with owner.sending(content[:-1000], len(content), headers={"Idempotency-Key": key}) as (reader, writer):

        async def has_begun() -> bool:
            return bool(await storage.intents(owner))

        await eventually(has_begun)
        answer = await post(owner, key, [content], url=replica.url)
        assert_problem(answer, 409, "idempotency_key_in_use")
        assert int(answer.headers["retry-after"]) > 0
        writer.write(content[-1000:])
        assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"HTTP/1.1 202 ")
    (row,) = await storage.files(owner)
    answer = await post(owner, key, [content], url=replica.url)
    assert (answer.status_code, answer.json()["file_id"]) == (202, str(row["file_id"]))


async def test_a_refused_request_frees_its_key(owner: Owner, storage: Storage) -> None:
    key = a_key()
    assert_problem(await post(owner, key, form(("file", "a.jpg", []))), 422, "empty_file")
    assert_problem(await post(owner, key, form(("note", None, [b"x"]))), 422, "invalid_request")
    content = b"".join(form(("file", "a.jpg", large_jpeg(9 * 1024 * 1024))))
    async with owner.sending(content[:-1000], len(content), headers={"Idempotency-Key": key}):

        async def has_begun() -> bool:
            return bool(await storage.intents(owner))

        await eventually(has_begun)

    async def is_taken() -> bool:
        return (await post(owner, key, [content])).status_code == 202

    await eventually(is_taken)


@pytest.mark.parametrize("key", ["", '""', '"open', 'a "b"', "a" * 256, '"\\x"'])
async def test_a_key_that_is_none_is_refused(key: str, owner: Owner) -> None:
    answer = await post(owner, key, form(("file", "a.jpg", [jpeg()])))
    assert_problem(answer, 400, "invalid_idempotency_key")


async def test_an_erased_file_ends_its_key(owner: Owner) -> None:
    key, picture = a_key(), jpeg()
    first = (await post(owner, key, form(("file", "a.jpg", [picture])))).json()["file_id"]
    assert (await owner.ask("DELETE", f"/api/v1/files/{first}")).status_code == 202
    again = await post(owner, key, form(("file", "a.jpg", [picture])))
    assert again.status_code == 202
    assert again.json()["file_id"] != first


async def test_a_key_is_forgotten_after_a_day_and_swept(
    owner: Owner, storage: Storage, environment: dict[str, str], tmp_path: Path
) -> None:
    keys = [a_key(), a_key()]
    first = (await post(owner, keys[0], form(("file", "a.jpg", [jpeg()])))).json()
    await post(owner, keys[1], form(("file", "b.jpg", [jpeg()])))
    kept = await storage.database.fetchval(
        "SELECT min(expires_at - now()) FROM idempotency_keys WHERE owner_id = $1", owner.owner_id
    )
    assert 23.9 * 3600 < kept.total_seconds() <= 24 * 3600
    await storage.database.execute(
        "UPDATE idempotency_keys SET expires_at = now() - interval '1 s' WHERE owner_id = $1", owner.owner_id
    )
    # Another request may use it now,
    other = await post(owner, keys[0], form(("file", "c.jpg", [jpeg()])))
    assert (other.status_code, other.json()["file_id"] != first["file_id"]) == (202, True)
    # and a fresh process removes what nobody asks for.
    with running_service("upload", environment, tmp_path):

        async def only_the_used_one() -> bool:
            rows = await storage.database.fetch("SELECT key FROM idempotency_keys WHERE owner_id = $1", owner.owner_id)
            return [row["key"] for row in rows] == [keys[0].strip('"')]

        await eventually(only_the_used_one)


async def test_a_killed_process_frees_its_key_and_makes_no_file_twice(
    owner: Owner, replica: ServiceProcess, environment: dict[str, str], storage: Storage, tmp_path: Path
) -> None:
    """Killed while it announces the second of two forced files: the first is there, the second is not."""
    key, pictures = a_key(), [jpeg(), jpeg()]
    before = storage.keys()

    def request() -> Iterable[bytes]:
        return form(("force", None, [b"true"]), ("file", "a.jpg", [pictures[0]]), ("file", "b.jpg", [pictures[1]]))

    async def waiting(count: int) -> None:
        async def are_waiting() -> bool:
            found = await storage.database.fetchval(
                "SELECT count(*) FROM pg_locks WHERE relation = 'idempotency_outcomes'::regclass AND NOT granted"
            )
            return bool(found == count)

        await eventually(are_waiting)

    settings = {**environment, "ASSAY_SLOT": "2", "ASSAY_INTENT_LEASE": "4"}
    async with Storage.opened(environment) as first_lock, Storage.opened(environment) as second_lock:
        with killed_service(settings, tmp_path) as service:
            # Locks are given in the order in which they are asked for: to the first file, to us, to the second file.
            one, two = first_lock.database.transaction(), second_lock.database.transaction()
            await one.start()
            await first_lock.database.execute(LOCK)
            sending = asyncio.create_task(post(owner, key, request(), url=service.url))
            await waiting(1)
            await two.start()
            locking = asyncio.create_task(second_lock.database.execute(LOCK))
            await waiting(2)
            await one.rollback()
            await locking
            await waiting(1)
            service.kill()
            with pytest.raises(httpx.TransportError):
                await sending
            await two.rollback()
    (announced,) = await storage.files(owner)
    assert_problem(await post(owner, key, request(), url=replica.url), 409, "idempotency_key_in_use")

    other = jpeg(), jpeg()

    async def is_free() -> bool:
        """Another request with the key finds that it is none of its own, and leaves nothing behind."""
        forced = ("force", None, [b"true"])
        answer = await post(owner, key, form(forced, *(("file", "a.jpg", [each]) for each in other)), url=replica.url)
        if answer.status_code == 409:
            return False
        assert_problem(answer, 422, "idempotency_key_reused")
        return True

    await eventually(is_free)
    answer = await post(owner, key, request(), url=replica.url)
    assert answer.status_code == 202
    first, second = answer.json()["files"]
    assert first["file_id"] == str(announced["file_id"])
    assert {row["file_id"] for row in await storage.files(owner)} == {UUID(first["file_id"]), UUID(second["file_id"])}

    async def nothing_is_left() -> bool:
        return not await storage.intents(owner)

    await eventually(nothing_is_left)
    assert storage.keys() - before == {f"files/{each['file_id']}/content" for each in (first, second)}
