"""Operators: an analyzer reaches the files that were there before it; another one leaves the plans."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from support.services import ServiceProcess
from support.topics import reading
from support.uploads import ANALYZER, Owner, Storage, eventually, jpeg, manifest, publish

from assay.shared.clock import now
from upload.given import given_files
from upload.operators import Operator


async def known(owner: Owner, environment: dict[str, str], media_type: str, max_bytes: int = 10_000) -> str:
    """A new analyzer's name, once the service has read of it."""
    name = f"late-{uuid4().hex[:8]}"
    await publish(environment, manifest(name, (media_type,), max_bytes))
    await owner.until_known({name})
    return name


async def test_a_backfill_goes_page_by_page_and_asks_for_nothing_twice(
    owner: Owner, upload: ServiceProcess, environment: dict[str, str], storage: Storage
) -> None:
    media_type = f"application/x-{uuid4().hex[:8]}"
    name = await known(owner, environment, media_type)
    operator = Operator(upload.url, environment)
    path = f"/api/v1/analyzers/{name}/backfill"
    files = await given_files(storage.database, owner, 620, media_type=media_type)
    await given_files(storage.database, owner, 3, media_type="application/x-other")

    dry = (await operator.ask("POST", path, params={"dry_run": True})).json()
    assert (dry["requested"], dry["skipped"], dry["version"]) == (500, 0, "1.0.0")

    async with reading(environment, "assay.files.bulk") as reader:
        first = await operator.ask("POST", path)
        assert first.status_code == 202, first.text
        assert (first.json()["requested"], first.json()["next_cursor"]) == (500, str(files[499]))
        # Broken off here, and begun again from the beginning.
        again = (await operator.ask("POST", path)).json()
        assert (again["requested"], again["skipped"]) == (0, 500)
        last = (await operator.ask("POST", path, params={"cursor": again["next_cursor"]})).json()
        assert (last["requested"], last["skipped"], last["next_cursor"]) == (120, 0, None)
        wanted = {str(each).encode() for each in files}
        records = await reader.wait_until(lambda seen: {each.key for each in seen} >= wanted)
    assert len([each for each in records if each.key in wanted]) == 620
    rows = await storage.database.fetch("SELECT * FROM runs WHERE file_id = $1 ORDER BY run_number", files[0])
    assert [row["run_number"] for row in rows] == [1, 2]
    assert (rows[1]["plan"], rows[1]["lane"]) == ([name], "assay.files.bulk")


async def test_a_new_version_of_the_analyzer_reaches_the_same_files_again(
    owner: Owner, upload: ServiceProcess, environment: dict[str, str], storage: Storage
) -> None:
    media_type = f"application/x-{uuid4().hex[:8]}"
    name = await known(owner, environment, media_type)
    operator = Operator(upload.url, environment)
    await given_files(storage.database, owner, 4, media_type=media_type)

    async def requested() -> int:
        return int((await operator.ask("POST", f"/api/v1/analyzers/{name}/backfill")).json()["requested"])

    assert [await requested(), await requested()] == [4, 0]
    newer = manifest(name, (media_type,)).model_copy(update={"version": "1.1.0"})
    marker = manifest(f"marker-{uuid4().hex[:8]}", ("application/x-marker",))
    await publish(environment, newer, marker)
    await owner.until_known({marker.name})
    assert [await requested(), await requested()] == [4, 0]


async def test_a_backfill_can_be_narrowed(
    owner: Owner, upload: ServiceProcess, environment: dict[str, str], storage: Storage
) -> None:
    kind = uuid4().hex[:8]
    name = await known(owner, environment, f"x{kind}/*")
    operator = Operator(upload.url, environment)
    path = f"/api/v1/analyzers/{name}/backfill"
    old = now() - timedelta(days=10)
    await given_files(storage.database, owner, 3, media_type=f"x{kind}/one", uploaded=old)
    await given_files(storage.database, owner, 5, media_type=f"x{kind}/two")

    async def count(**parameters: str | int | bool) -> int:
        answer = await operator.ask("POST", path, params=parameters)
        assert answer.status_code == 202, answer.text
        return int(answer.json()["requested"])

    assert await count(dry_run=True) == 8
    assert await count(dry_run=True, media_type=f"x{kind}/one") == 3
    assert await count(dry_run=True, media_type=f"x{kind}/*") == 8
    assert await count(dry_run=True, media_type="image/*") == 0
    assert await count(dry_run=True, since=(now() - timedelta(days=1)).isoformat()) == 5
    assert await count(limit=2) == 2
    assert await count(limit=500) == 6


async def test_files_uploaded_with_the_analyzer_at_work_are_skipped(
    owner: Owner, upload: ServiceProcess, environment: dict[str, str]
) -> None:
    name = await known(owner, environment, "image/jpeg")
    accepted = (await owner.send(jpeg())).json()
    assert name in accepted["plan"]
    operator = Operator(upload.url, environment)
    since = (now() - timedelta(days=9000)).isoformat()
    asked = (await operator.ask("POST", f"/api/v1/analyzers/{name}/backfill", params={"since": since})).json()
    assert asked["skipped"] >= 1
    runs = await owner.ask("POST", f"/api/v1/files/{accepted['file_id']}/runs")
    assert runs.json()["run_number"] == 2


async def test_a_retired_analyzer_leaves_the_plans_at_every_replica(
    owner: Owner, upload: ServiceProcess, replica: ServiceProcess, environment: dict[str, str]
) -> None:
    name = await known(owner, environment, "image/jpeg", max_bytes=1024 * 1024)
    elsewhere = Owner(replica.url, environment)
    await elsewhere.until_known({name})
    operator = Operator(upload.url, environment)
    answer = await operator.ask("DELETE", f"/api/v1/analyzers/{name}")
    assert (answer.status_code, answer.json()) == (200, {"name": name, "version": "1.0.0"})
    # At once here; elsewhere as soon as the tombstone is read.
    assert name not in (await owner.limits())["analyzers"]
    assert name not in (await owner.send(jpeg())).json()["plan"]
    marker = await known(elsewhere, environment, "application/x-marker")
    assert marker in (await elsewhere.limits())["analyzers"]
    assert name not in (await elsewhere.limits())["analyzers"]

    gone = await operator.ask("DELETE", f"/api/v1/analyzers/{name}")
    assert (gone.status_code, gone.json()["code"]) == (404, "analyzer_not_found")
    # Its worker starts again.
    await publish(environment, manifest(name, ("image/jpeg",)))
    await owner.until_known({name})
    assert (await operator.ask("DELETE", f"/api/v1/analyzers/{name}")).status_code == 200


async def test_a_backfill_goes_on_after_its_service_was_killed(
    owner: Owner, upload: ServiceProcess, environment: dict[str, str], storage: Storage, tmp_path: Path
) -> None:
    media_type = f"application/x-{uuid4().hex[:8]}"
    name = await known(owner, environment, media_type)
    files = await given_files(storage.database, owner, 480, media_type=media_type)
    path = f"/api/v1/analyzers/{name}/backfill"

    async def runs() -> int:
        return int(await storage.database.fetchval("SELECT count(*) FROM runs WHERE $1 = ANY(plan)", name))

    async def has_begun() -> bool:
        return await runs() > 0

    victim = ServiceProcess("upload", {**environment, "ASSAY_SLOT": "2"}, tmp_path / "victim.log")
    await asyncio.to_thread(victim.start)
    async with reading(environment, "assay.files.bulk") as reader:
        asking = asyncio.create_task(Operator(victim.url, environment).ask("POST", path))
        await eventually(has_begun)
        victim.kill()
        with pytest.raises(httpx.TransportError):
            await asking
        before = await runs()
        assert 0 < before < len(files)
        rest = (await Operator(upload.url, environment).ask("POST", path)).json()
        assert (rest["requested"], rest["skipped"]) == (len(files) - before, before)
        wanted = {str(each).encode() for each in files}
        records = await reader.wait_until(lambda seen: {each.key for each in seen} >= wanted)
    requested = {json.loads(each.value or b"")["run_id"] for each in records if each.key in wanted}
    assert len(requested) == len(files)


async def test_both_are_for_operators(owner: Owner, upload: ServiceProcess, environment: dict[str, str]) -> None:
    for method, path in (("DELETE", ANALYZER), ("POST", f"{ANALYZER}/backfill")):
        answer = await owner.ask(method, f"/api/v1/analyzers/{path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    operator = Operator(upload.url, environment)
    answer = await operator.ask("POST", "/api/v1/analyzers/nobody/backfill")
    assert (answer.status_code, answer.json()["code"]) == (404, "analyzer_not_found")
    for parameters in ({"limit": 501}, {"cursor": "x"}, {"since": "2026-01-01T00:00:00"}, {"media_type": "image"}):
        answer = await operator.ask("POST", f"/api/v1/analyzers/{ANALYZER}/backfill", params=parameters)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), parameters
