"""What one owner may have and do: held exactly over all replicas, and refused before the body is sent."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from uuid import UUID

import httpx
import pytest
from support.services import ServiceProcess, running_service
from support.topics import kafka_settings
from support.uploads import ANALYZER, Owner, Storage, eventually, form, jpeg, large_jpeg

from assay.contracts import Report, RunCompleted
from assay.shared.clock import now
from assay.shared.kafka import Publisher
from upload.test_upload_refusals import announce, assert_problem

BYTES = 12 * 1024 * 1024
PER_DAY = 6
IN_FLIGHT = 3
PER_MINUTE = 30

Replicas = tuple[ServiceProcess, ServiceProcess]


def replicas(
    upload: ServiceProcess, environment: dict[str, str], factory: pytest.TempPathFactory, **quota: int
) -> Iterator[Replicas]:
    """Two processes with these quotas. `upload` has started before, and has registered analyzers."""
    settings = {f"ASSAY_QUOTA__{name.upper()}": str(value) for name, value in quota.items()}
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(
                running_service("upload", {**environment, **settings, "ASSAY_SLOT": str(slot)}, factory.mktemp("quota"))
            )
            for slot in (3, 4)
        )
        yield first, second


@pytest.fixture(scope="module")
def stingy(
    upload: ServiceProcess, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replicas]:
    yield from replicas(
        upload,
        environment,
        tmp_path_factory,
        bytes=BYTES,
        files_per_day=PER_DAY,
        files_in_flight=IN_FLIGHT,
        requests_per_minute=PER_MINUTE,
    )


@pytest.fixture
def owner(stingy: Replicas, environment: dict[str, str]) -> Owner:
    return Owner(stingy[0].url, environment)


@asynccontextmanager
async def reporting(environment: dict[str, str]) -> AsyncIterator[Publisher]:
    publisher = Publisher(kafka_settings(environment), source="/assay/results")
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.stop()


async def finish(publisher: Publisher, storage: Storage, owner: Owner) -> None:
    """Let the runs of an owner end, as results says it."""
    for row in await storage.files(owner):
        if row["status"] is None:
            report = Report(label="no_findings", score=None, confidence=0.5, summary="Nothing was found.")
            await publisher.publish(
                RunCompleted(
                    occurred_at=now(),
                    file_id=row["file_id"],
                    owner_id=owner.owner_id,
                    run_id=row["run_id"],
                    run_number=row["run_number"],
                    status="analyzed",
                    plan=tuple(row["plan"]),
                    report=report,
                )
            )


async def until_free(owner: Owner) -> None:
    async def none_in_flight() -> bool:
        return bool((await owner.limits())["usage"]["files_in_flight"] == 0)

    await eventually(none_in_flight)


def codes(answers: list[httpx.Response]) -> dict[str, int]:
    """How often which outcome."""
    told = [each.json().get("code", "taken") for each in answers]
    return {code: told.count(code) for code in told}


async def test_files_in_flight_are_counted_exactly_and_freed_by_their_reports(
    owner: Owner, stingy: Replicas, storage: Storage, environment: dict[str, str]
) -> None:
    before = storage.keys()
    pictures = [jpeg() for _ in range(5 * IN_FLIGHT)]
    answers = await asyncio.gather(
        *(owner.send(picture, url=stingy[number % 2].url) for number, picture in enumerate(pictures))
    )
    assert codes(answers) == {"taken": IN_FLIGHT, "quota_files_in_flight_exceeded": 4 * IN_FLIGHT}
    refused = next(each for each in answers if each.status_code == 429)
    body = assert_problem(refused, 429, "quota_files_in_flight_exceeded")
    assert (body["limit"], body["used"]) == (IN_FLIGHT, IN_FLIGHT)
    assert int(refused.headers["retry-after"]) == body["retry_after_s"] > 0
    assert len(storage.keys() - before) == IN_FLIGHT
    taken = next(each for each in answers if each.status_code == 202).json()
    further = await owner.ask("POST", f"/api/v1/files/{taken['file_id']}/runs")
    assert_problem(further, 429, "quota_files_in_flight_exceeded")
    async with reporting(environment) as publisher:
        await finish(publisher, storage, owner)
    await until_free(owner)
    # What upload has heard of a run is told with known content.
    (picture,) = (each for each in pictures if hashlib.sha256(each).hexdigest() == taken["sha256"])
    known = await owner.send(picture)
    assert (known.status_code, known.json()["status"]) == (200, "analyzed")


async def test_files_a_day_are_counted_exactly_and_erasing_frees_none(
    owner: Owner, stingy: Replicas, storage: Storage, environment: dict[str, str]
) -> None:
    async with reporting(environment) as publisher:
        for _ in range(PER_DAY // IN_FLIGHT):
            assert (await owner.send(*(jpeg() for _ in range(IN_FLIGHT)))).status_code == 202
            await finish(publisher, storage, owner)
            await until_free(owner)
    refused = await owner.send(jpeg(), url=stingy[1].url)
    body = assert_problem(refused, 429, "quota_files_per_day_exceeded")
    assert 0 < body["retry_after_s"] <= 24 * 3600 + 1
    (row, *_) = await storage.files(owner)
    assert (await owner.ask("DELETE", f"/api/v1/files/{row['file_id']}")).status_code == 202
    assert_problem(await owner.send(jpeg()), 429, "quota_files_per_day_exceeded")
    usage = (await owner.limits())["usage"]
    assert (usage["files"], usage["files_today"]) == (PER_DAY - 1, PER_DAY)
    # The next day.
    await storage.database.execute("UPDATE usage SET day = day - 1 WHERE owner_id = $1", owner.owner_id)
    assert (await owner.send(jpeg())).status_code == 202
    assert (await owner.limits())["usage"]["files_today"] == 1


async def test_stored_bytes_are_counted_exactly_and_erasing_frees_them(
    owner: Owner, stingy: Replicas, storage: Storage
) -> None:
    """Two of these fit, three do not."""
    before = storage.keys()
    contents = [b"".join(large_jpeg(5 * 1024 * 1024)) for _ in range(4)]
    answers = await asyncio.gather(
        *(owner.send(content, url=stingy[number % 2].url) for number, content in enumerate(contents))
    )
    assert codes(answers) == {"taken": 2, "quota_bytes_exceeded": 2}
    limits = await owner.limits()
    assert limits["usage"]["bytes"] == sum(len(content) for content in contents[:2])
    assert limits["quotas"]["bytes"] == BYTES
    assert len(storage.keys() - before) == 2
    # Refused as soon as the length is known, not a byte of the body is asked for.
    early = await announce(stingy[1], owner.headers, 4 * 1024 * 1024)
    assert_problem(early, 429, "quota_bytes_exceeded")
    taken = next(each.json()["file_id"] for each in answers if each.status_code == 202)
    assert (await owner.ask("DELETE", f"/api/v1/files/{taken}")).status_code == 202
    assert (await owner.send(contents[0] + b"more")).status_code == 202


async def test_files_of_one_request_have_outcomes_of_their_own(owner: Owner) -> None:
    files = (await owner.send(*(jpeg() for _ in range(IN_FLIGHT + 1)))).json()["files"]
    assert [each.get("code") for each in files] == [None] * IN_FLIGHT + ["quota_files_in_flight_exceeded"]


async def test_requests_are_paced_over_all_replicas(owner: Owner, stingy: Replicas, storage: Storage) -> None:
    answers = await asyncio.gather(
        *(owner.post(form(("file", "empty.jpg", [])), url=stingy[number % 2].url) for number in range(PER_MINUTE + 6))
    )
    counted = codes(answers)
    # While they are sent the pace lets one more in now and then.
    assert PER_MINUTE <= counted["empty_file"] <= PER_MINUTE + 3, counted
    refused = next(each for each in answers if each.status_code == 429)
    body = assert_problem(refused, 429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) == body["retry_after_s"] <= 60 // PER_MINUTE + 1
    assert_problem(await owner.ask("POST", f"/api/v1/files/{UUID(int=0)}/runs"), 429, "rate_limited")
    # A minute later.
    await storage.database.execute(
        "UPDATE rates SET due = due - interval '1 minute' WHERE owner_id = $1", owner.owner_id
    )
    assert_problem(await owner.post(form(("file", "empty.jpg", []))), 422, "empty_file")


async def test_one_owners_quota_is_no_other_ones(owner: Owner, environment: dict[str, str]) -> None:
    await owner.send(*(jpeg() for _ in range(IN_FLIGHT)))
    assert_problem(await owner.send(jpeg()), 429, "quota_files_in_flight_exceeded")
    assert (await Owner(owner.url, environment).send(jpeg())).status_code == 202


async def test_known_content_is_no_further_file(owner: Owner, storage: Storage, environment: dict[str, str]) -> None:
    picture = jpeg()
    async with reporting(environment) as publisher:
        await owner.send(picture)
        await finish(publisher, storage, owner)
        await until_free(owner)
    before = (await owner.limits())["usage"]
    assert (await owner.send(picture)).status_code == 200
    assert (
        (await owner.limits())["usage"]
        == before
        == {
            "files": 1,
            "bytes": len(picture),
            "files_today": 1,
            "files_in_flight": 0,
        }
    )
    assert ANALYZER in (await storage.files(owner))[0]["plan"]


async def test_a_run_past_its_deadline_is_in_flight_no_more(owner: Owner, storage: Storage) -> None:
    await owner.send(*(jpeg() for _ in range(IN_FLIGHT)))
    assert (await owner.limits())["usage"]["files_in_flight"] == IN_FLIGHT
    await storage.database.execute("UPDATE runs SET deadline = now() WHERE asked_by = $1", owner.owner_id)
    assert (await owner.send(jpeg())).status_code == 202


async def test_without_quotas_all_is_taken_and_told(upload: ServiceProcess, environment: dict[str, str]) -> None:
    generous = Owner(upload.url, environment)
    await generous.send(jpeg(), jpeg())
    limits = await generous.limits()
    assert set(limits["quotas"].values()) == {None}
    assert limits["usage"]["files"] == limits["usage"]["files_in_flight"] == 2
    assert [each["priority"] for each in limits["queue"]] == ["interactive", "bulk"]
