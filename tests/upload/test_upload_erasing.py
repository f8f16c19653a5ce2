"""Erasing: rows, events, objects; by the owner, for an owner, by age. Nothing follows, nothing comes back."""

import asyncio
import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from support.services import ServiceProcess, running_service
from support.topics import Received, reading
from support.uploads import ANALYZER, Owner, Storage, eventually, jpeg

from assay.shared.ids import new_id
from upload.given import given_derived, given_file, given_files
from upload.operators import Operator

LANES = ("assay.files", "assay.files.bulk")
DELETED = b"assay.file.deleted.v1"


def kind(record: object) -> bytes | None:
    return dict(record.headers).get("ce_type")  # type: ignore[attr-defined]


def objects_of(storage: Storage, file_id: UUID) -> set[str]:
    return {key for key in sorted(storage.keys()) if key.startswith(f"files/{file_id}/")}


async def rows_about(storage: Storage, file_id: UUID) -> list[str]:
    """Tables of the schema with a row that names the file in any column."""
    tables = await storage.database.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'upload' AND table_type = 'BASE TABLE'"
    )
    found = []
    for (name,) in tables:
        query = f'SELECT count(*) FROM "{name}" AS row WHERE row::text LIKE $1'  # noqa: S608 - our own tables
        if await storage.database.fetchval(query, f"%{file_id}%"):
            found.append(name)
    return sorted(found)


async def until_swept(storage: Storage, file_id: UUID) -> None:
    async def swept() -> bool:
        return bool(await storage.database.fetchval("SELECT sweeps > 0 FROM erasures WHERE file_id = $1", file_id))

    await eventually(swept)


async def test_an_erased_file_leaves_its_mark_and_nothing_else(
    owner: Owner, environment: dict[str, str], storage: Storage
) -> None:
    file_id, other = await given_file(owner), await given_file(owner)
    storage.put(f"files/{file_id}/runs/{uuid4()}/{ANALYZER}/map.png", b"heat")
    storage.put(f"files/{file_id}/verdicts/{ANALYZER}/1.json", b"{}")
    storage.begin(f"files/{file_id}/runs/unfinished.bin")
    async with reading(environment, *LANES, from_beginning=True) as reader:
        answer = await owner.ask("DELETE", f"/api/v1/files/{file_id}")
        assert answer.status_code == 202, answer.text
        body = answer.json()
        assert body["file_id"] == str(file_id)
        kept = datetime.fromisoformat(body["log_ends_at"]) - datetime.fromisoformat(body["erased_at"])
        assert kept == timedelta(days=31)  # 30 of retention, one until a segment goes
        records = await reader.of_key(str(file_id), 3)
    assert [(each.topic, kind(each)) for each in records][-1] == ("assay.files", DELETED)
    assert json.loads(records[-1].value or b"")["owner_id"] == owner.owner_id
    await until_swept(storage, file_id)
    assert objects_of(storage, file_id) == set()
    assert await rows_about(storage, file_id) == ["erasures"]
    assert owner.owner_id not in str(
        await storage.database.fetchrow("SELECT * FROM erasures WHERE file_id=$1", file_id)
    )
    # Again, and nothing is different; nobody else learns that it was ever there.
    again = await owner.ask("DELETE", f"/api/v1/files/{file_id}")
    assert (again.status_code, again.json()) == (202, body)
    stranger = Owner(owner.url, environment)
    for each in (file_id, other, uuid4()):
        refused = await stranger.ask("DELETE", f"/api/v1/files/{each}")
        assert (refused.status_code, refused.json()["code"]) == (404, "file_not_found")
    assert objects_of(storage, other) == {f"files/{other}/content"}
    assert (await owner.ask("DELETE", "/api/v1/files/no-id")).status_code == 422


async def test_every_lane_that_had_its_runs_hears_of_it(owner: Owner, environment: dict[str, str]) -> None:
    file_id = await given_file(owner)
    await owner.ask("POST", f"/api/v1/files/{file_id}/runs", json={"priority": "bulk"})
    only_bulk = await given_file(owner, priority="bulk")
    async with reading(environment, *LANES) as reader:
        for each in (file_id, only_bulk):
            assert (await owner.ask("DELETE", f"/api/v1/files/{each}")).status_code == 202
        await reader.wait_until(lambda records: sum(kind(each) == DELETED for each in records) >= 3)
    said = {(each.key, each.topic) for each in reader.records if kind(each) == DELETED}
    assert {(str(file_id).encode(), lane) for lane in LANES} <= said
    assert {topic for key, topic in said if key == str(only_bulk).encode()} == {"assay.files.bulk"}


async def test_nothing_follows_the_deletion(owner: Owner, environment: dict[str, str], storage: Storage) -> None:
    """Runs and backfills that are asked for at the same moment come before it in each lane, or not at all."""
    operator = Operator(owner.url, environment)
    for _ in range(5):
        file_id = await given_file(owner)
        async with reading(environment, *LANES, from_beginning=True) as reader:
            answers = await asyncio.gather(
                *(
                    owner.ask("POST", f"/api/v1/files/{file_id}/runs", json={"priority": lane})
                    for lane in ("interactive", "bulk", "interactive", "bulk")
                ),
                operator.ask("POST", f"/api/v1/analyzers/{ANALYZER}/backfill?limit=5"),
                owner.ask("DELETE", f"/api/v1/files/{file_id}"),
                *(owner.ask("POST", f"/api/v1/files/{file_id}/runs") for _ in range(2)),
            )
            assert answers[5].status_code == 202
            assert {each.status_code for each in answers} <= {202, 404}
            assert (await owner.ask("POST", f"/api/v1/files/{file_id}/runs")).status_code == 404
            key = str(file_id).encode()

            async def all_sent(key: bytes = key) -> bool:
                return not await storage.database.fetchval("SELECT count(*) FROM outbox WHERE key = $1", key.decode())

            await eventually(all_sent)

            def ended(records: list[Received], key: bytes = key) -> bool:
                lanes = [[kind(each) for each in records if (each.topic, each.key) == (lane, key)] for lane in LANES]
                return any(lanes) and all(not said or said[-1] == DELETED for said in lanes)

            await reader.wait_until(ended)
            sentinels = [await given_file(owner, priority=each) for each in ("interactive", "bulk")]
            for each in sentinels:
                await reader.of_key(str(each), 2)
        for lane in LANES:
            said = [kind(each) for each in reader.records if (each.topic, each.key) == (lane, key)]
            assert DELETED not in said[:-1], (lane, said)
        assert await rows_about(storage, file_id) == ["erasures"]


async def recorded(storage: Storage, file_id: UUID, table: str = "files") -> bool:
    query = f"SELECT count(*) FROM {table} WHERE file_id = $1"  # noqa: S608 - our own tables
    return bool(await storage.database.fetchval(query, file_id))


async def test_what_was_found_inside_goes_with_it(owner: Owner, environment: dict[str, str], storage: Storage) -> None:
    whole = await given_file(owner)
    inside = (await given_derived(environment, owner, whole)).file_id
    deeper = (await given_derived(environment, owner, inside)).file_id
    for each in (inside, deeper):
        storage.put(f"files/{each}/content", b"found inside")
        await eventually(lambda each=each: recorded(storage, each))
    alone = await owner.ask("DELETE", f"/api/v1/files/{inside}")
    assert (alone.status_code, alone.json()["code"]) == (409, "derived_file")
    assert alone.json()["parent_file_id"] == str(whole)
    async with reading(environment, *LANES) as reader:
        assert (await owner.ask("DELETE", f"/api/v1/files/{whole}")).status_code == 202
        records = await reader.of_key(str(deeper), 1)
    assert (records[0].topic, kind(records[0])) == ("assay.files.bulk", DELETED)
    for each in (whole, inside, deeper):
        await until_swept(storage, each)
        assert objects_of(storage, each) == set()
        assert await rows_about(storage, each) == ["erasures"]
    # One that is announced afterwards goes the same way, and so does one that is announced again.
    late = new_id()
    storage.put(f"files/{late}/content", b"late")
    await given_derived(environment, owner, inside, late)
    await given_derived(environment, owner, whole, deeper)
    await until_swept(storage, late)
    assert objects_of(storage, late) == set()
    assert await rows_about(storage, late) == ["erasures"]
    assert await rows_about(storage, deeper) == ["erasures"]


async def test_what_is_stored_late_is_swept_later(owner: Owner, storage: Storage) -> None:
    file_id = await given_file(owner)
    await owner.ask("DELETE", f"/api/v1/files/{file_id}")
    await until_swept(storage, file_id)
    due = await storage.database.fetchrow("SELECT due_at - erased_at, sweeps FROM erasures WHERE file_id=$1", file_id)
    assert tuple(due) == (timedelta(seconds=15), 1)
    storage.put(f"files/{file_id}/runs/late.png", b"late")
    # As if the time were over.
    await storage.database.execute("UPDATE erasures SET due_at = now() WHERE file_id = $1", file_id)

    async def gone() -> bool:
        return objects_of(storage, file_id) == set()

    await eventually(gone)


async def test_all_that_an_owner_has_goes_page_by_page(
    owner: Owner, environment: dict[str, str], storage: Storage
) -> None:
    operator, other = Operator(owner.url, environment), Owner(owner.url, environment)
    await given_files(storage.database, owner, 45, media_type="image/png")
    whole, kept = await given_file(owner), await given_file(other)
    inside = (await given_derived(environment, owner, whole)).file_id
    await eventually(lambda: recorded(storage, inside))
    path = f"/api/v1/owners/{owner.owner_id}/files"
    assert (await owner.ask("DELETE", path)).status_code == 403
    counted = (await operator.ask("DELETE", path, params={"dry_run": True})).json()
    assert (counted["files"], counted["derived"], counted["unfinished"], counted["more"]) == (46, 1, 0, True)
    async with owner.sending(b"--x-boundary-x\r\n", 1000):  # nothing that lies anywhere yet
        pages = []
        while not pages or pages[-1]["more"]:
            answer = await operator.ask("DELETE", path)
            assert answer.status_code == 202, answer.text
            pages.append(answer.json())
    assert [each["files"] for each in pages] == [20, 20, 6]
    assert sum(each["derived"] for each in pages) == 1
    again = (await operator.ask("DELETE", path)).json()
    assert (again["files"], again["more"]) == (0, False)
    assert await storage.files(owner) == []
    assert await rows_about(storage, whole) == ["erasures"]
    assert await recorded(storage, kept)
    nobody = (await operator.ask("DELETE", "/api/v1/owners/nobody%20here%2F1/files")).json()
    assert (nobody["files"], nobody["more"]) == (0, False)


async def test_unfinished_uploads_of_an_owner_end(owner: Owner, environment: dict[str, str], storage: Storage) -> None:
    operator = Operator(owner.url, environment)
    start = b'--x-boundary-x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    async with owner.sending(start + jpeg() + bytes(9 * 1024 * 1024), 100 * 1024 * 1024):
        await eventually(lambda: _any(storage.intents(owner)))
        before = await storage.intents(owner)
        counted = (await operator.ask("DELETE", f"/api/v1/owners/{owner.owner_id}/files?dry_run=true")).json()
        assert (counted["files"], counted["unfinished"]) == (0, 1)
        done = (await operator.ask("DELETE", f"/api/v1/owners/{owner.owner_id}/files")).json()
        assert done["unfinished"] == 1
    await eventually(lambda: _none(storage.intents(owner)))
    for each in before:
        assert objects_of(storage, each) == set()


async def test_resumable_uploads_of_an_owner_end_and_finished_ones_tell_nothing(
    owner: Owner, environment: dict[str, str], storage: Storage
) -> None:
    operator, content = Operator(owner.url, environment), jpeg()

    async def tus(method: str, path: str, body: bytes = b"", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await owner.ask(method, path, content=body, headers={**owner.headers, "Tus-Resumable": "1.0.0", **named})

    async def begun() -> str:
        name = base64.b64encode(b"secret-name.jpg").decode()
        answer = await tus(
            "POST", "/api/v1/uploads", Upload_Length=str(len(content)), Upload_Metadata=f"filename {name}"
        )
        assert answer.status_code == 201, answer.text
        return urlsplit(answer.headers["Location"]).path

    async def sent(path: str, body: bytes) -> None:
        answer = await tus("PATCH", path, body, Upload_Offset="0", Content_Type="application/offset+octet-stream")
        assert answer.status_code == 204, answer.text

    finished, half = await begun(), await begun()
    await sent(finished, content)
    await sent(half, content[:100])
    file_id = UUID((await storage.files(owner))[0]["file_id"].hex)
    assert (await owner.ask("DELETE", f"/api/v1/files/{file_id}")).status_code == 202
    await until_swept(storage, file_id)
    assert await rows_about(storage, file_id) == ["erasures"]
    assert (await tus("HEAD", finished)).status_code in (404, 410)
    path = f"/api/v1/owners/{owner.owner_id}/files"
    assert (await operator.ask("DELETE", path, params={"dry_run": True})).json()["unfinished"] == 1
    assert (await operator.ask("DELETE", path)).json()["unfinished"] == 1
    assert (await tus("HEAD", half)).status_code in (404, 410)
    left = await storage.database.fetchval("SELECT count(*) FROM uploads WHERE owner_id = $1", owner.owner_id)
    assert left == 0
    upload_id = UUID(half.rpartition("/")[2])
    assert objects_of(storage, upload_id) == set()


async def _any(rows: object) -> bool:
    return bool(await rows)  # type: ignore[misc]


async def _none(rows: object) -> bool:
    return not await rows  # type: ignore[misc]


@pytest.fixture
def ageing(
    upload: ServiceProcess, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ServiceProcess, ServiceProcess]]:
    """Two replicas that erase what is older than ten years: nothing of other tests."""
    settings = {**environment, "ASSAY_RETENTION": "P3650D"}
    folder: Path = tmp_path_factory.mktemp("ageing")
    with (
        running_service("upload", {**settings, "ASSAY_SLOT": "2"}, folder) as first,
        running_service("upload", {**settings, "ASSAY_SLOT": "3"}, folder) as second,
    ):
        yield first, second


async def test_files_go_by_age(
    owner: Owner,
    environment: dict[str, str],
    storage: Storage,
    request: pytest.FixtureRequest,
) -> None:
    old = await given_files(
        storage.database, owner, 50, media_type="image/png", uploaded=datetime(2001, 1, 1, tzinfo=UTC)
    )
    young = await given_files(storage.database, owner, 3, media_type="image/png")
    async with reading(environment, *LANES) as reader:
        request.getfixturevalue("ageing")
        keys = {str(each).encode() for each in old}
        await reader.wait_until(lambda records: keys <= {each.key for each in records})
        assert [kind(each) for each in reader.records if each.key in keys] == [DELETED] * 50
    left = await storage.database.fetch("SELECT file_id FROM files WHERE owner_id = $1", owner.owner_id)
    assert {row["file_id"] for row in left} == set(young)
