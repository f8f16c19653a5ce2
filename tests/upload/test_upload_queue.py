"""Where the queue is too old, nothing more is taken in; workers that are down are no reason as long as it is young."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from support.services import ServiceProcess, running_service
from support.stacks import running_stack
from support.topics import kafka_settings
from support.uploads import Owner, Storage, eventually, form, jpeg, large_jpeg, manifest, publish

from assay.contracts.topics import FILES, FILES_BULK
from assay.shared.kafka import connection
from upload.test_upload_refusals import announce, assert_problem

# Seconds matter here, and each test has a stack of its own: not beside other tests.
pytestmark = pytest.mark.proof

AGE_S = 3.0
BULK_AGE_S = 6.0
BUSY, LEFT = "upload-test-busy", "upload-test-left"
LONG = 9 * 1024 * 1024


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A stack of this module's own: the queue is one for all groups, also for those of other tests' workers."""
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack.environment("upload")


@pytest.fixture(scope="module")
def impatient(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    settings = {
        **environment,
        "ASSAY_SLOT": "5",
        "ASSAY_LIMITS__QUEUE_AGE": str(AGE_S),
        "ASSAY_LIMITS__BULK_QUEUE_AGE": str(BULK_AGE_S),
    }
    with running_service("upload", settings, tmp_path_factory.mktemp("impatient")) as service:
        yield service


@pytest.fixture
def owner(impatient: ServiceProcess, environment: dict[str, str]) -> Owner:
    return Owner(impatient.url, environment)


class Worker:
    """The group of an analyzer, as its workers leave it."""

    def __init__(self, environment: dict[str, str], analyzer: str) -> None:
        self.analyzer = analyzer
        self._group = f"assay.inference.{analyzer}"
        self._connection = connection(kafka_settings(environment))

    async def has_done_all(self) -> None:
        """Commit the ends of both lanes, as somebody who is no member."""
        consumer = AIOKafkaConsumer(**self._connection, group_id=self._group, enable_auto_commit=False)
        await consumer.start()
        try:
            partitions = [TopicPartition(lane.name, number) for lane in (FILES, FILES_BULK) for number in range(12)]
            consumer.assign(partitions)
            await consumer.commit(await consumer.end_offsets(partitions))
        finally:
            await consumer.stop()

    @asynccontextmanager
    async def being_there(self) -> AsyncIterator[None]:
        """A member that does nothing."""
        consumer = AIOKafkaConsumer(
            FILES.name, FILES_BULK.name, **self._connection, group_id=self._group, enable_auto_commit=False
        )
        await consumer.start()
        try:
            yield
        finally:
            await consumer.stop()


@pytest.fixture
async def busy(owner: Owner, environment: dict[str, str]) -> AsyncIterator[Worker]:
    """An analyzer that has done all there is, and has no worker at the moment."""
    worker = Worker(environment, BUSY)
    await worker.has_done_all()
    await publish(environment, manifest(BUSY, ("image/*",)))
    await owner.until_known({BUSY})
    yield worker
    await publish(environment, retired=[BUSY])


async def age(owner: Owner, lane: int = 0) -> float:
    found: float | None = (await owner.limits())["queue"][lane]["age_s"]
    return -1.0 if found is None else found


async def until_older(owner: Owner, seconds: float, lane: int = 0) -> None:
    async def is_older() -> bool:
        return await age(owner, lane) > seconds

    await eventually(is_older)


async def until_young(owner: Owner) -> None:
    async def is_young() -> bool:
        return max(await age(owner), await age(owner, 1)) == 0

    await eventually(is_young)


async def test_nothing_is_taken_in_once_the_queue_is_too_old(
    busy: Worker, owner: Owner, impatient: ServiceProcess, storage: Storage
) -> None:
    await until_young(owner)
    # Nobody works. What comes is taken all the same, as long as nothing has waited for too long.
    for _ in range(2):
        assert (await owner.send(jpeg())).status_code == 202
    (row, _) = await storage.files(owner)
    await until_older(owner, AGE_S)
    before = storage.keys()
    # Not a byte of the body is asked for.
    answer = await announce(impatient, owner.headers, LONG)
    body = assert_problem(answer, 429, "queue_too_old")
    assert int(answer.headers["retry-after"]) == body["retry_after_s"] > 0
    assert body["age_s"] > body["limit_s"] == AGE_S
    assert_problem(await owner.ask("POST", f"/api/v1/files/{row['file_id']}/runs"), 429, "queue_too_old")
    assert storage.keys() == before
    # The age is that of the oldest record, by its own time.
    waited = await storage.database.fetchval(
        "SELECT extract(epoch FROM now() - requested_at) FROM runs WHERE run_id = $1", row["run_id"]
    )
    assert abs(await age(owner) - float(waited)) < 2
    await busy.has_done_all()
    await until_young(owner)
    assert (await owner.send(jpeg())).status_code == 202


async def test_work_that_can_wait_may_wait_longer(busy: Worker, owner: Owner, storage: Storage) -> None:
    await busy.has_done_all()
    await until_young(owner)
    first = await owner.send(jpeg(), priority="bulk")
    assert first.status_code == 202
    await until_older(owner, AGE_S, lane=1)
    # Work that people wait for is not concerned,
    assert await age(owner) == 0
    before = storage.keys()
    await until_older(owner, BULK_AGE_S, lane=1)
    late = form(("file", "a.jpg", large_jpeg(LONG)), ("priority", None, [b"bulk"]))
    assert_problem(await owner.post(late), 429, "queue_too_old")
    assert storage.keys() == before
    run = {"json": {"priority": "bulk"}}
    assert_problem(
        await owner.ask("POST", f"/api/v1/files/{first.json()['file_id']}/runs", **run), 429, "queue_too_old"
    )
    # and is taken still.
    assert (await owner.send(jpeg())).status_code == 202
    await busy.has_done_all()


async def test_an_analyzer_that_nobody_works_for_holds_up_nobody_else(
    busy: Worker, owner: Owner, environment: dict[str, str]
) -> None:
    left = Worker(environment, LEFT)
    await left.has_done_all()
    await publish(environment, manifest(LEFT, ("image/*",)))
    try:
        await owner.until_known({LEFT})
        assert (await owner.send(jpeg())).status_code == 202
        await until_older(owner, AGE_S)
        await busy.has_done_all()
        assert_problem(await owner.send(jpeg()), 429, "queue_too_old")
        # Others are at work: what is left over is a matter of the operator.
        async with busy.being_there():
            await until_young(owner)
            assert (await owner.send(jpeg())).status_code == 202
    finally:
        await publish(environment, retired=[LEFT])
        await left.has_done_all()
