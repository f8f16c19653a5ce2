"""Erasure, proven on a running product: after DELETE nothing is found anywhere, and nothing comes back."""

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import boto3
import httpx
import psutil
import pytest
from botocore.config import Config
from inference.archives import zipped
from PIL import Image
from support import analyzers
from support.product import SAMPLES, Product, running_product
from support.topics import kafka_settings, reading

from assay.contracts import AnalysisCompleted, AnalysisFailed, Event, Evidence, FileDerived, Verdict, decode
from assay.embedded.stack import Stack
from assay.shared.clock import now
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher

MARKS = {"upload.erasures", "results.deleted_files", "notify.deleted_files"}
DELETED = "assay.file.deleted.v1"
LOGS = ("assay.files", "assay.files.bulk", "assay.analyses")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product with a stranger's analyzer of archives, two upload services and two workers."""
    path = analyzers.install(tmp_path_factory.mktemp("site"))
    with running_product(
        tmp_path_factory.mktemp("erasing") / "home",
        PYTHONPATH=path,
        ASSAY_ANALYZERS="unzipping,jpeg-forensics",
        ASSAY_SCALE__UPLOAD="2",
        # So long another process waits before it takes up what a dead one was at.
        ASSAY_INTENT_LEASE="PT5S",
    ) as product:
        yield product


@pytest.fixture
def product(running: Product) -> Iterator[Product]:
    with running.of_owner(f"tester-{uuid4()}") as product:
        yield product


@pytest.fixture
def lines(running: Product) -> dict[str, str]:
    return Stack(running.home).environment()


@dataclass
class Traces:
    """What must not be found of files: ids, names, hashes, metadata, the bytes themselves."""

    file_ids: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    hashes: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, *files: dict[str, Any], words: Iterable[str] = ()) -> "Traces":
        traces = cls(words=set(words))
        for file in files:
            traces.file_ids.add(file["file_id"])
            traces.hashes.add(file["sha256"])
            traces.words.update({file["filename"]} - {None})
        return traces

    @property
    def everything(self) -> set[str]:
        return self.file_ids | self.words | self.hashes


def eventually(look: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, what
        time.sleep(0.1)
    return found


def in_storage(lines: dict[str, str], traces: Traces) -> list[str]:
    """Keys of objects, and of unfinished uploads, that name a file or hold its bytes or speak of it."""
    s3 = boto3.client(
        "s3",
        endpoint_url=lines["ASSAY_S3__ENDPOINT_URL"],
        region_name=lines["ASSAY_S3__REGION"],
        aws_access_key_id=lines["ASSAY_S3__ACCESS_KEY_ID"],
        aws_secret_access_key=lines["ASSAY_S3__SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}),
    )
    bucket, found = lines["ASSAY_S3__BUCKET"], []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for each in page.get("Contents", []):
            try:
                content = s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
            except s3.exceptions.NoSuchKey:  # erased at this moment
                continue
            if (
                any(file_id in each["Key"] for file_id in traces.file_ids)
                or hashlib.sha256(content).hexdigest() in traces.hashes
                or any(trace.encode() in content for trace in traces.everything)
            ):
                found.append(each["Key"])
    begun = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return found + [each["Key"] for each in begun if any(file_id in each["Key"] for file_id in traces.file_ids)]


def in_database(lines: dict[str, str], traces: Traces) -> set[tuple[str, str]]:
    """(table, trace) for every row of every table of every schema in which a trace is, in whatever column."""

    async def search() -> set[tuple[str, str]]:
        database = await asyncpg.connect(lines["ASSAY_DATABASE__URL"].replace("postgresql+asyncpg", "postgresql"))
        try:
            tables = await database.fetch(
                "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
                "AND table_schema NOT IN ('pg_catalog', 'information_schema')"
            )
            assert len({schema for schema, _ in tables}) >= 2
            found = set()
            for schema, table in tables:
                for trace in traces.everything:
                    # A row as text has every column of it: texts, numbers, uuids, arrays, JSON; bytes in hexadecimal.
                    query = f'SELECT count(*) FROM "{schema}"."{table}" t WHERE t::text LIKE $1 OR t::text LIKE $2'  # noqa: S608
                    if await database.fetchval(query, f"%{trace}%", f"%{trace.encode().hex()}%"):
                        found.add((f"{schema}.{table}", trace))
            return found
        finally:
            await database.close()

    return asyncio.run(search())


def latest_reports(lines: dict[str, str], file_ids: set[str]) -> dict[str, bytes | None]:
    """The last record of each key in the compacted topic, with all that was written until now read."""

    async def read() -> dict[str, bytes | None]:
        keys = {each.encode() for each in file_ids}
        async with reading(lines, "assay.verdicts", from_beginning=True) as reader:
            latest: dict[str, bytes | None] = {}

            def all_ended(records: list[Any]) -> bool:
                latest.update({each.key.decode(): each.value for each in records if each.key in keys})
                return len(latest) == len(keys) and all(value is None for value in latest.values())

            await reader.wait_until(all_ended)
            return latest

    return asyncio.run(read())


def until_recorded(lines: dict[str, str]) -> None:
    """Wait until results has taken up everything that is in the log now."""

    async def wait() -> None:
        async with reading(lines, *LOGS) as reader:
            consumer = reader._consumer
            ends = await consumer.end_offsets(consumer.assignment())
        database = await asyncpg.connect(lines["ASSAY_DATABASE__URL"].replace("postgresql+asyncpg", "postgresql"))
        try:
            async with asyncio.timeout(30):
                while True:
                    rows = await database.fetch("SELECT topic, partition, next_offset FROM results.positions")
                    stands = {(topic, partition): offset for topic, partition, offset in rows}
                    if all(stands.get((each.topic, each.partition), 0) >= end for each, end in ends.items()):
                        return
                    await asyncio.sleep(0.1)
        finally:
            await database.close()

    asyncio.run(wait())


def say(lines: dict[str, str], *said: tuple[Event, str]) -> None:
    """Publish events as any worker may."""

    async def publish() -> None:
        publisher = Publisher(kafka_settings(lines), source="/test")
        await publisher.start()
        for event, topic in said:
            await publisher.publish(event, topics=[topic])
        await publisher.stop()

    asyncio.run(publish())


def events_of(lines: dict[str, str], file_id: str, topic: str) -> list[Any]:
    """All events of a file that the log has, as they were."""

    async def read() -> list[Any]:
        async with reading(lines, topic, from_beginning=True) as reader:
            records = await reader.of_key(file_id, 1)
            return [decode(each.value, each.headers) for each in records]

    return asyncio.run(read())


def tree(product: Product, file_id: str) -> list[dict[str, Any]]:
    """A file and all that was found inside it."""
    with product.client() as client:
        files = [client.get(f"/api/v1/files/{file_id}").json()]
        for each in files:
            files.extend(client.get(f"/api/v1/files/{inside['file_id']}").json() for inside in each["derived"])
    return files


def delete(product: Product, file_id: str, status: int = 202) -> dict[str, Any]:
    with product.client() as client:
        answer = client.delete(f"/api/v1/files/{file_id}")
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


def assert_nothing_is_left(product: Product, lines: dict[str, str], traces: Traces) -> None:
    eventually(lambda: not in_storage(lines, traces), "objects are left")

    def only_marks() -> bool:
        found = in_database(lines, traces)
        return {table for table, _ in found} == MARKS and {trace for _, trace in found} == traces.file_ids

    eventually(only_marks, "rows are left")
    assert set(latest_reports(lines, traces.file_ids).values()) == {None}
    with product.client() as client:
        told = [
            client.get(path)
            for path in ("/api/v1/files?limit=100", "/api/v1/stats", "/api/v1/stats?scope=all", "/api/v1/analyzers")
        ]
        told += [client.get("/api/v1/files", params={"q": word}) for word in traces.words]
        told += [client.get("/api/v1/files", params={"parent": each}) for each in traces.file_ids]
        told.append(client.get("/api/v1/dead-letters", params={"limit": 500}))
        for answer in told:
            assert not [each for each in traces.everything if each in answer.text], answer.url
        for file_id in traces.file_ids:
            path = f"/api/v1/files/{file_id}"
            for ending in ("", "/runs/1", "/artifacts/jpeg-forensics/heatmap.png", "/events"):
                assert client.get(path + ending).status_code == 404, ending
            assert client.post(f"{path}/runs").status_code == 404
    for message in first_messages(product, "/api/v1/events", 1):
        assert not [each for each in traces.everything if each in json.dumps(message.data)]


def first_messages(product: Product, path: str, count: int) -> list[Any]:
    stream = product.stream(path)
    try:
        return [next(stream) for _ in range(count)]
    finally:
        stream.close()  # type: ignore[attr-defined]


def picture(folder: Path, side: int = 256) -> Path:
    """A picture that nobody has uploaded before, with a name of its own."""
    path = folder / f"secret-{uuid4()}.jpg"
    Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(path, "JPEG")
    return path


def test_an_erased_file_is_found_nowhere_and_late_verdicts_do_not_bring_it_back(
    product: Product, lines: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / f"secret-{uuid4()}.zip"
    word = f"codeword-{uuid4()}"
    members = [(SAMPLES / "splice.jpg").read_bytes() + os.urandom(64), picture(tmp_path).read_bytes()]
    path.write_bytes(zipped(members))
    with product.client() as client, path.open("rb") as content:
        posted = client.post(
            "/api/v1/files", files={"file": (path.name, content)}, data={"metadata": json.dumps({"desk": word})}
        )
    file_id = posted.json()["file_id"]
    list(product.stream(f"/api/v1/files/{file_id}/events?until=completed"))
    files = tree(product, file_id)
    assert len(files) == 3
    traces = Traces.of(*files, words=[word])
    # Not an empty promise: before, it is everywhere.
    eventually(lambda: any("/verdicts/" in key or "/runs/" in key for key in in_storage(lines, traces)), "no artifacts")
    assert {"upload.files", "results.files"} <= {table for table, _ in in_database(lines, traces)}

    answered = delete(product, file_id)
    assert_nothing_is_left(product, lines, traces)
    assert delete(product, file_id) == answered

    late: list[tuple[Event, str]] = []
    for each in files:
        owner = {"file_id": UUID(each["file_id"]), "owner_id": product.owner, "occurred_at": now()}
        verdict = Verdict(
            label="manipulated",
            claim="manipulated",
            score=0.9,
            confidence=0.9,
            evidence=(Evidence(text=word, weight=1),),
        )
        for run_id in (UUID(each["run"]["run_id"]), new_id()):
            late.append(
                (
                    AnalysisCompleted(
                        **owner, run_id=run_id, analyzer="jpeg-forensics", version="9.9.9", device="cpu",
                        duration_ms=1, verdict=verdict,
                    ),
                    "assay.analyses",
                )
            )  # fmt: skip
    # And what was said before comes again, as when a log is read from its start.
    replayed = [(event, topic) for topic in LOGS[:1] for event in events_of(lines, file_id, topic)][:-1]
    derived = FileDerived(
        occurred_at=now(), file_id=new_id(), owner_id=product.owner, parent_file_id=UUID(file_id),
        parent_run_id=new_id(), derived_by="unzipping", depth=1, media_type="image/jpeg", size=10,
        sha256=files[1]["sha256"], object_key="files/none/content", run_id=new_id(), plan=("jpeg-forensics",),
        deadline=now(),
    )  # fmt: skip
    say(lines, *late, *replayed, (derived, "assay.files.bulk"))
    traces.file_ids.add(str(derived.file_id))
    until_recorded(lines)
    assert_nothing_is_left(product, lines, traces)
    assert delete(product, file_id) == answered


def test_work_ends_and_streams_end_with_the_event(product: Product, lines: dict[str, str], tmp_path: Path) -> None:
    accepted = product.submit(picture(tmp_path, 5000))
    file_id = accepted["file_id"]
    kinds, began, last_id = [], 0.0, ""
    for message in product.stream(f"/api/v1/files/{file_id}/events"):
        kinds.append(message.event)
        last_id = message.id
        if not began and message.event in ("assay.analysis.started.v1", "assay.analysis.progressed.v1", "snapshot"):
            if message.event == "snapshot" and message.data["status"] == "queued":
                continue
            began = time.monotonic()
            delete(product, file_id)
    assert kinds[-1] == DELETED
    assert time.monotonic() - began < 5
    with product.client() as client:
        headers = {"Last-Event-ID": last_id}
        assert client.get(f"/api/v1/files/{file_id}/events", headers=headers).status_code in (204, 404)

    def ended() -> Any:
        said = events_of(lines, file_id, "assay.analyses")
        return [each for each in said if isinstance(each, AnalysisFailed | AnalysisCompleted)]

    (end, *_) = eventually(ended, "the analysis goes on", 5 - (time.monotonic() - began))
    assert isinstance(end, AnalysisFailed)
    assert end.code == "file_deleted"
    assert_nothing_is_left(product, lines, Traces.of(accepted))


def artifacts(product: Product, file_id: str) -> dict[str, bytes]:
    """What there is to be looked at, read as a browser does."""
    with product.client() as client:
        file = client.get(f"/api/v1/files/{file_id}").json()
        found = {}
        for analysis in file["run"]["analyses"]:
            for each in (analysis["verdict"] or {}).get("artifacts", []):
                answer = client.get(each["links"]["self"].removeprefix(product.url), follow_redirects=True)
                assert answer.status_code == 200, answer.text
                found[each["name"]] = answer.content
    return found


def kept_verdicts(lines: dict[str, str], file_id: str) -> list[str]:
    return [key for key in in_storage(lines, Traces(file_ids={file_id})) if f"files/{file_id}/verdicts/" in key]


def examined(product: Product, path: Path) -> dict[str, Any]:
    """A new file of these bytes, with its report."""
    file_id = product.submit(path, force=True)["file_id"]
    list(product.stream(f"/api/v1/files/{file_id}/events?until=completed"))
    with product.client() as client:
        file: dict[str, Any] = client.get(f"/api/v1/files/{file_id}").json()
    return file


def test_the_same_bytes_of_others_and_of_another_file_stay_readable(
    running: Product, lines: dict[str, str], tmp_path: Path
) -> None:
    me, other = f"me-{uuid4()}", f"other-{uuid4()}"
    path = tmp_path / f"shared-{uuid4()}.jpg"
    path.write_bytes((SAMPLES / "splice.jpg").read_bytes() + os.urandom(64))
    with running.of_owner(other) as product:
        theirs = product.explained(path)
        shown_to_them = artifacts(product, theirs["file_id"])
    with running.of_owner(me) as product:
        first = product.explained(path)
        eventually(lambda: kept_verdicts(lines, first["file_id"]), "the verdict is not kept")
        second = examined(product, path)
        assert {each["verdict"]["reused_from"] for each in second["run"]["analyses"]} == {first["run"]["run_id"]}
        shown = artifacts(product, second["file_id"])
        assert shown
        assert shown == artifacts(product, first["file_id"])

        delete(product, first["file_id"])
        of_first = Traces(file_ids={first["file_id"]})
        eventually(lambda: not in_storage(lines, of_first), "objects of the first are left")
        assert artifacts(product, second["file_id"]) == shown
        with product.client() as client:
            again = client.get(f"/api/v1/files/{second['file_id']}").json()
        assert again["run"]["report"] == second["run"]["report"]
        # Its verdict can still be taken over, and with the last of them nothing of these bytes is left of this owner.
        third = examined(product, path)
        assert all(each["verdict"]["reused_from"] for each in third["run"]["analyses"])
        for each in (second, third):
            delete(product, each["file_id"])
        all_three = Traces(file_ids={each["file_id"] for each in (first, second, third)})
        eventually(lambda: not in_storage(lines, all_three), "objects are left")
        eventually(lambda: {table for table, _ in in_database(lines, all_three)} == MARKS, "rows are left")
    with running.of_owner(other) as product:
        assert artifacts(product, theirs["file_id"]) == shown_to_them
        assert product.submit(path)["file_id"] == theirs["file_id"]


def service_processes(product: Product) -> list[psutil.Process]:
    """Those that have a part in erasing, at this moment."""
    assert product.process is not None
    mains = {f"assay.{name}.main" for name in ("upload", "results", "inference")}
    found = []
    for child in psutil.Process(product.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if mains.intersection(child.cmdline()):
                found.append(child)
    return found


@pytest.mark.proof
def test_killed_processes_finish_it_when_they_are_back(product: Product, lines: dict[str, str], tmp_path: Path) -> None:
    """results, a worker and an upload service die at the moment of the DELETE, by SIGKILL."""
    accepted = product.submit(picture(tmp_path, 3000))
    kept = product.submit(picture(tmp_path))
    delete(product, accepted["file_id"])
    before = service_processes(product)
    assert len(before) >= 4
    for each in before:
        each.kill()

    def ready() -> bool:
        running = {each.pid for each in service_processes(product)}
        if len(running) < len(before) or running & {each.pid for each in before}:
            return False
        try:
            return httpx.get(f"{product.url}/readyz", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    eventually(ready, "it does not come back", 60)
    assert_nothing_is_left(product, lines, Traces.of(accepted))
    list(product.stream(f"/api/v1/files/{kept['file_id']}/events?until=completed"))
    with product.client() as client:
        assert client.get(f"/api/v1/files/{kept['file_id']}").json()["status"] == "analyzed"


def test_the_commands(product: Product, lines: dict[str, str], tmp_path: Path) -> None:
    files = [product.submit(picture(tmp_path)) for _ in range(3)]
    done = product.command("delete", files[0]["file_id"], str(uuid4()), check=False)
    assert done.returncode == 1
    assert f"{files[0]['file_id']} deleted; copies in the log end by 20" in done.stdout
    assert "file_not_found" in done.stderr
    assert "1 of 2 were not deleted" in done.stderr
    counted = product.command("owners", "erase", product.owner, "--dry-run").stdout
    assert f"{product.owner} has 2 files, 0 found inside them, 0 unfinished uploads" in counted
    assert "nothing was erased" not in counted
    refused = product.command("owners", "erase", product.owner, check=False)  # nobody there to say yes
    assert refused.returncode != 0
    erased = product.command("owners", "erase", product.owner, "--yes").stdout
    assert f"{product.owner} has nothing any more" in erased
    assert product.command("owners", "erase", product.owner, "--yes").stdout.startswith(f"{product.owner} has 0 files")
    assert_nothing_is_left(product, lines, Traces.of(*files))
    # Statistics are added up every few seconds.
    eventually(lambda: product.owner not in str(in_database(lines, Traces(words={product.owner}))), "the owner is left")
