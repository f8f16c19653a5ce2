"""What an analyzer finds inside a file is stored, announced and judged; bombs are verdicts within the limits."""

import asyncio
import hashlib
import io
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from support.services import ServiceProcess

from assay.contracts import AnalysisCompleted, AnalyzerRegistered, FileDerived, RunRequested, decode
from assay.contracts.topics import ANALYZERS, LANES
from assay.inference.derived import STORED_AT_ONCE, Derivations, TypeReader
from assay.inference.domain import Analysis, Deletions
from assay.inference.errors import AnalyzerBrokenError, FileDeletedError
from assay.inference.settings import DerivedSettings
from assay.sdk import AnalyzerManifest, DerivedFile
from assay.shared.catalog import AnalyzerTable
from assay.shared.clock import now
from assay.shared.ids import made_at
from assay.shared.kafka import connection
from assay.shared.objects import ObjectStore
from inference.archives import GIGABYTE, bomb, nested, zipped
from inference.lab import Lab, is_terminal

SAMPLES = Path(__file__).parents[2] / "examples" / "samples"
MEGABYTE = 1 << 20
ANALYZERS_HERE = ("unzipping", "counting", "jpeg-forensics")
MAX_DEPTH, MAX_FILES, MAX_MB, TREE_FILES = 3, 20, 8, 60


class Lanes:
    """The derived files that were announced, and by which topic."""

    def __init__(self) -> None:
        self.announced: list[tuple[str, FileDerived]] = []

    async def watch(self, consumer: AIOKafkaConsumer) -> None:
        try:
            async for record in consumer:
                event = decode(record.value, record.headers)
                if isinstance(event, FileDerived):
                    self.announced.append((record.topic, event))
        finally:
            await consumer.stop()

    def of(self, file_id: UUID) -> list[FileDerived]:
        """The latest announcement of each file found in this one."""
        return list({each.file_id: each for _, each in self.announced if each.parent_file_id == file_id}.values())

    async def inside(self, lab: Lab, completed: AnalysisCompleted) -> list[FileDerived]:
        """The announcements of what a verdict names, in its order; they came before it."""
        wanted = set(completed.derived)
        await lab.until_true(lambda: wanted <= {each.file_id for each in self.of(completed.file_id)})
        found = {each.file_id: each for each in self.of(completed.file_id)}
        return [found[each] for each in completed.derived]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lanes(lab: Lab) -> AsyncIterator[Lanes]:
    consumer = AIOKafkaConsumer(*(lane.name for lane in LANES), **connection(lab.kafka), auto_offset_reset="earliest")
    await consumer.start()
    lanes = Lanes()
    task = asyncio.create_task(lanes.watch(consumer))
    yield lanes
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def unzipper(
    environment: dict[str, str], lab: Lab, lanes: Lanes, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServiceProcess]:
    """A worker that unpacks archives, with small limits."""
    lines = {
        **environment,
        "ASSAY_ANALYZERS": ",".join(ANALYZERS_HERE),
        "ASSAY_DERIVED__MAX_DEPTH": str(MAX_DEPTH),
        "ASSAY_DERIVED__MAX_FILES": str(MAX_FILES),
        "ASSAY_DERIVED__MAX_MB": str(MAX_MB),
        "ASSAY_DERIVED__TREE_FILES": str(TREE_FILES),
        "ASSAY_DERIVED__TREE_MB": "24",
    }
    service = ServiceProcess("inference", lines, tmp_path_factory.mktemp("unzipper") / "worker.log")
    try:
        await asyncio.to_thread(service.start)
        # The worker reads of its own analyzers as of any other.
        while "counting" not in (await unpacked(lab, lanes, [b"Is counting there? A text to be counted.\n"]))[0].plan:
            pass
        yield service
    finally:
        assert await asyncio.to_thread(service.stop) == 0
        # Other tests upload texts and archives that nobody is to take.
        for name in ANALYZERS_HERE:
            await lab.publisher.send(ANALYZERS.name, name.encode(), None, [])


async def unpacked(lab: Lab, lanes: Lanes, members: list[bytes]) -> list[FileDerived]:
    request = await archive(lab, zipped(members))
    return await lanes.inside(lab, await lab.completed(request, "unzipping"))


async def archive(lab: Lab, content: bytes, **changes: Any) -> RunRequested:
    return await lab.request(content, plan=("unzipping",), media_type="application/zip", **changes)


async def whole_tree(lab: Lab, lanes: Lanes, request: RunRequested) -> list[FileDerived]:
    """Everything inside, once every analysis of this worker's has ended."""
    found: list[FileDerived] = []
    waiting: list[RunRequested | FileDerived] = [request]
    while waiting:
        each = waiting.pop()
        for analyzer in {"unzipping", "counting"}.intersection(each.plan):
            inside = await lanes.inside(lab, await lab.completed(each, analyzer))
            found += inside
            waiting += inside
    return found


async def exists(lab: Lab, key: str) -> bool:
    return await lab.store.size_of(key) is not None


async def test_what_is_in_an_archive_is_announced_and_judged(
    lab: Lab, lanes: Lanes, unzipper: ServiceProcess, tmp_path: Path
) -> None:
    landscape, splice = ((SAMPLES / f"{name}.jpg").read_bytes() for name in ("landscape", "splice"))
    text, large = b"A letter to the editor, in plain words.\n", random.Random(1).randbytes(3 * MEGABYTE)
    request = await archive(lab, zipped([landscape, b"", text, splice, text, large]))
    completed = await lab.completed(request, "unzipping")
    inside = await lanes.inside(lab, completed)

    assert [each.sha256 for each in inside] == [
        hashlib.sha256(each).hexdigest() for each in (landscape, text, splice, large)
    ]
    assert [each.media_type for each in inside[:3]] == ["image/jpeg", "text/plain", "image/jpeg"]
    for each, content in zip(inside, (landscape, text, splice, large), strict=True):
        assert (each.size, each.depth, each.derived_by) == (len(content), 1, "unzipping")
        assert (each.parent_file_id, each.parent_run_id) == (request.file_id, request.run_id)
        assert (each.owner_id, each.deadline) == (request.owner_id, request.deadline)
        assert each.file_id.version == 7
        assert made_at(each.file_id) == made_at(request.run_id)
        assert each.file_id != each.run_id
        await lab.store.download(each.object_key, tmp_path / "content")
        assert (tmp_path / "content").read_bytes() == content
    assert "jpeg-forensics" in inside[0].plan
    assert "unzipping" not in inside[0].plan
    assert {topic for topic, each in lanes.announced if each.parent_file_id == request.file_id} == {"assay.files"}
    # The members came in shared memory, not through the pickle, and nothing was left out.
    assert completed.verdict.details == {"left_out": 0, "types": ["memoryview"]}
    assert completed.verdict.evidence == ()

    assert (await lab.completed(inside[1], "counting")).verdict.details == {"letters": 30}
    verdict = (await lab.completed(inside[2], "jpeg-forensics")).verdict
    assert verdict.label == "manipulated"


async def test_files_inside_stay_in_the_lane_of_their_parent(lab: Lab, lanes: Lanes, unzipper: ServiceProcess) -> None:
    request = await lab.put(zipped([b"A text in the bulk lane.\n"]), plan=("unzipping",), media_type="application/zip")
    await lab.publisher.publish(request, topics=["assay.files.bulk"])
    (inside,) = await lanes.inside(lab, await lab.completed(request, "unzipping"))
    assert [topic for topic, each in lanes.announced if each == inside] == ["assay.files.bulk"]
    await lab.completed(inside, "counting")


async def test_archives_in_archives_are_unpacked_to_the_depth_that_is_allowed(
    lab: Lab, lanes: Lanes, unzipper: ServiceProcess
) -> None:
    request = await archive(lab, nested(levels=MAX_DEPTH + 2, width=1))
    tree = await whole_tree(lab, lanes, request)
    assert [(each.depth, each.media_type) for each in tree] == [(n, "application/zip") for n in range(1, MAX_DEPTH + 1)]
    deepest = await lab.completed(tree[-1], "unzipping")
    assert deepest.derived == ()
    assert [each.text for each in deepest.verdict.evidence] == [
        "1 of 1 files inside were not examined: 1 more than may be taken out of this file."
    ]


async def test_a_bomb_of_archives_ends_within_the_limit_of_the_whole(
    lab: Lab, lanes: Lanes, unzipper: ServiceProcess
) -> None:
    # 8 in 8 in 8 in 8 archives: 4680 files.
    request = await archive(lab, nested(levels=4, width=8))
    tree = await whole_tree(lab, lanes, request)
    assert 8 < len(tree) <= TREE_FILES
    assert {each.depth for each in tree} == {1, 2}
    assert sum(each.room_files or 0 for each in tree if each.depth == 1) <= TREE_FILES - 8


@pytest.mark.parametrize("comment", [b"", b"says no sizes"])
async def test_a_member_of_10_gb_is_left_out(lab: Lab, lanes: Lanes, unzipper: ServiceProcess, comment: bytes) -> None:
    request = await archive(lab, bomb(10 * GIGABYTE, comment=comment))
    completed = await lab.completed(request, "unzipping")
    assert completed.derived == ()
    assert [each.text for each in completed.verdict.evidence] == [
        "1 of 1 files inside were not examined: 1 larger than may be taken out of this file."
    ]
    assert completed.duration_ms < 10_000


async def test_of_100_000_members_only_so_many_are_taken(lab: Lab, lanes: Lanes, unzipper: ServiceProcess) -> None:
    members = (f"A few words, number {number}.\n".encode() for number in range(100_000))
    completed = await lab.completed(await archive(lab, zipped(members, compressed=False)), "unzipping")
    assert len(await lanes.inside(lab, completed)) == MAX_FILES
    assert [each.text for each in completed.verdict.evidence] == [
        "99980 of 100000 files inside were not examined: 99980 more than may be taken out of this file."
    ]


async def test_an_analyzer_that_ignores_its_room_is_cut_off(lab: Lab, lanes: Lanes, unzipper: ServiceProcess) -> None:
    blocks = [random.Random(seed).randbytes(3 * MEGABYTE) for seed in range(4)]
    texts = [f"A short text, number {number}.\n".encode() for number in range(30)]
    completed = await lab.completed(await archive(lab, zipped([*blocks, *texts], comment=b"greedy")), "unzipping")
    inside = await lanes.inside(lab, completed)
    assert len(inside) == MAX_FILES
    assert sum(each.size for each in inside) <= MAX_MB * MEGABYTE
    assert [each.text for each in completed.verdict.evidence] == [
        "14 of 34 files inside were not examined: 2 larger than may be taken out of this file, "
        "12 more than may be taken out of this file."
    ]


async def test_a_second_attempt_announces_the_same_files(lab: Lab, lanes: Lanes, unzipper: ServiceProcess) -> None:
    request = await lab.put(
        zipped([b"One text of two.\n", b"The other text of two.\n"]), plan=("unzipping",), media_type="application/zip"
    )
    for _ in range(2):
        await lab.publisher.publish(request, topics=["assay.files"])
    ends = [each.event for each in await lab.ended(request, "unzipping", ends=2) if is_terminal(each)]
    assert ends[0].derived == ends[1].derived

    def announced() -> list[tuple[UUID, UUID, str]]:
        mine = [each for _, each in lanes.announced if each.parent_file_id == request.file_id]
        return [(each.file_id, each.run_id, each.sha256) for each in mine]

    await lab.until_true(lambda: len(announced()) == 4)
    assert set(Counter(announced()).values()) == {2}


async def test_a_worker_that_is_killed_in_between_leaves_one_family(
    lab: Lab, lanes: Lanes, unzipper: ServiceProcess
) -> None:
    texts = [f"One text of many, number {number}.\n".encode() for number in range(MAX_FILES)]
    request = await archive(lab, zipped(texts))
    await lab.until_true(lambda: lanes.of(request.file_id) != [])
    await asyncio.to_thread(unzipper.kill)
    await asyncio.to_thread(unzipper.start)
    completed = await lab.completed(request, "unzipping")
    inside = await lanes.inside(lab, completed)
    assert [each.sha256 for each in inside] == [hashlib.sha256(text).hexdigest() for text in texts]
    # Whatever the killed worker had announced is among them.
    assert {each.file_id for each in lanes.of(request.file_id)} == set(completed.derived)
    for each in inside:
        await lab.completed(each, "counting")


async def test_the_worker_lived_through_all_of_it(unzipper: ServiceProcess) -> None:
    log = unzipper.log.read_text()
    assert "sandbox_child_died" not in log
    assert "Traceback" not in log


# What follows has the parts of a worker, and no process: moments that cannot be hit from outside.


class InterruptedStore(ObjectStore):
    """The file is deleted while its members are being stored."""

    def __init__(self, lab: Lab, deletions: Deletions, file_id: UUID) -> None:
        super().__init__(lab.s3)
        self._deletions, self._file_id, self.stored = deletions, file_id, list[str]()

    async def put(self, key: str, data: "bytes | io.RawIOBase", *, media_type: str) -> None:
        if len(self.stored) >= STORED_AT_ONCE:
            self._deletions.note(self._file_id)
        await super().put(key, data, media_type=media_type)
        self.stored.append(key)


@pytest_asyncio.fixture(loop_scope="session")
async def catalog(lab: Lab) -> AsyncIterator[AnalyzerTable]:
    table = AnalyzerTable(lab.kafka, client_id="test-catalog")
    await table.start()
    yield table
    await table.stop()


UNZIPPING = AnalyzerManifest(
    name="unzipping",
    version="1.0.0",
    title="ZIP",
    description="For tests.",
    media_types=("application/zip",),
    claims=("odd",),
    labels=("odd",),
    derives=True,
    domain="Tests",
)


def derivations(
    lab: Lab,
    catalog: AnalyzerTable,
    *,
    store: ObjectStore,
    deletions: Deletions,
    manifest: AnalyzerManifest = UNZIPPING,
) -> Derivations:
    return Derivations(
        manifest,
        DerivedSettings(),
        memory_mb=256,
        store=store,
        publisher=lab.publisher,
        catalog=catalog,
        types=TypeReader(),
        deletions=deletions,
    )


TEXTS = [DerivedFile(f"A short text, number {number}.\n".encode()) for number in range(12)]


@pytest.mark.parametrize("is_watched", [True, False])
async def test_a_file_that_is_deleted_meanwhile_leaves_nothing(
    lab: Lab, lanes: Lanes, catalog: AnalyzerTable, is_watched: bool
) -> None:
    request = await lab.put(b"an archive", plan=("unzipping",), media_type="application/zip")
    deletions = Deletions()
    store = InterruptedStore(lab, deletions, request.file_id)
    deriving = derivations(lab, catalog, store=store, deletions=deletions)
    analysis = Analysis.of(request, "unzipping")
    if is_watched:
        # As in a worker, the deletion ends what runs.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as limit:
                with deletions.ending(request.file_id, limit):
                    await deriving.announce(analysis, TEXTS)
    else:
        with pytest.raises(FileDeletedError):
            await deriving.announce(analysis, TEXTS)
    assert len(store.stored) == len(TEXTS)
    assert not any([await exists(lab, key) for key in store.stored])
    store.close()
    # A later announcement on the lanes: all earlier ones were read.
    (after,) = await announced_after(lab, lanes, catalog)
    assert after.parent_file_id != request.file_id
    assert lanes.of(request.file_id) == []


async def announced_after(lab: Lab, lanes: Lanes, catalog: AnalyzerTable) -> list[FileDerived]:
    request = await lab.put(b"a later archive", plan=("unzipping",), media_type="application/zip")
    deriving = derivations(lab, catalog, store=lab.store, deletions=Deletions())
    ids, evidence = await deriving.announce(Analysis.of(request, "unzipping"), TEXTS[:1])
    assert evidence == ()
    await lab.until_true(lambda: {each.file_id for each in lanes.of(request.file_id)} == set(ids))
    return lanes.of(request.file_id)


async def test_an_archive_that_holds_itself_is_not_unpacked_again(
    lab: Lab, lanes: Lanes, catalog: AnalyzerTable
) -> None:
    content = zipped([b"As if it were itself.\n"])
    await lab.publisher.publish(AnalyzerRegistered(occurred_at=now(), manifest=UNZIPPING))
    await catalog.until(lambda: "unzipping" in catalog.known)
    request = await lab.put(content, plan=("unzipping",), media_type="application/zip")
    deriving = derivations(lab, catalog, store=lab.store, deletions=Deletions())
    other = zipped([b"Another one.\n"])
    ids, _ = await deriving.announce(Analysis.of(request, "unzipping"), [DerivedFile(content), DerivedFile(other)])
    await lab.until_true(lambda: len(lanes.of(request.file_id)) == 2)
    found = {each.file_id: each for each in lanes.of(request.file_id)}
    assert ["unzipping" in found[each].plan for each in ids] == [False, True]


async def test_what_a_manifest_does_not_say_is_a_defect(lab: Lab, catalog: AnalyzerTable) -> None:
    manifest = UNZIPPING.model_copy(update={"derives": False})
    deriving = derivations(lab, catalog, store=lab.store, deletions=Deletions(), manifest=manifest)
    request = await lab.put(b"an archive", stored=False)
    with pytest.raises(AnalyzerBrokenError, match="derives"):
        await deriving.announce(Analysis.of(request, "unzipping"), TEXTS)
