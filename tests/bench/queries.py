"""The main queries of results over millions of analyses, each with its plan; and HTTP while verdicts are written.

Files are brought in with COPY, their runs and analyses made of them, in the form in which the service writes them,
spread over three months and owners of very different size. Then the use cases run in this process against PostgreSQL,
one after the other, each for many owners. What each sends is caught and explained: a plan that reads a whole large
table, or a whole index of one, fails the row. At last 50 clients ask the running service for the same, while it writes
verdicts out of Kafka.
"""

import asyncio
import contextlib
import json
import os
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

import asyncpg
from support.processes import cpu_s
from support.services import ServiceProcess, free_port, running_service
from support.stacks import RunningParts, running_stack
from support.topics import kafka_settings

from assay.contracts.topics import ANALYSES, FILES, FILES_BULK
from assay.results.arrivals import Arrivals
from assay.results.counting import Counting
from assay.results.listing import Filters, Sort
from assay.results.months import Month
from assay.results.partitions import Partitions
from assay.results.reading import Library
from assay.results.settings import Settings
from assay.results.sparse import EVERYTHING
from assay.results.standing import Standing
from assay.results.summing import Summing
from assay.results.tables import SCHEMA
from assay.results.views import Views
from assay.shared import database
from assay.shared.auth import mint_token
from assay.shared.kafka import Publisher
from bench.lean_client import Connection
from bench.results import _story
from bench.rows import Aim, Row
from bench.workplace import Workplace

QUERIES = (
    "file", "newest", "oldest", "score", "label", "status", "media_type", "name", "part_of_name", "analyzer", "time",
    "sha256", "snapshot", "stats_own", "stats_all",
)  # fmt: skip
ALL = "queries"
"""`make bench ONLY=queries` measures all of these rows, from one filling of the tables."""
NAMES = (ALL, *(f"query_{name}_p99_ms" for name in QUERIES), "http_p50_ms", "http_p99_ms", "http_requests_per_s")
DAYS = 90
OWNERS = 500
ANALYZERS = ("jpeg-forensics", "provenance", "camera-noise", "rare-one")
MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp", "audio/wav", "video/mp4", "application/pdf", "message/rfc822")
MEDIA_WEIGHTS = (70, 15, 5, 3, 3, 3, 1)
WORDS = ("holiday", "scan", "invoice", "IMG", "screenshot", "press", "report", "interview", "draft", "Übersicht")
LARGE = 20_000
"""Rows; a table with more is not read whole."""
TIMED = 200
CLIENTS = 50
HTTP_S = 20.0
REPLICAS = 2
WRITTEN_PER_S = 25
"""Files, each with four verdicts, while the clients ask."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What lies in the tables: the connection's address, and by owner some files."""

    dsn: str
    settings: Settings
    files: dict[str, list[UUID]]
    hashes: dict[str, list[str]]

    def owner(self, chance: random.Random) -> str:
        """As often as the owner has files."""
        return chance.choice(self._drawn)

    @property
    def _drawn(self) -> list[str]:
        return [owner for owner, files in self.files.items() for _ in files]


async def queries(place: Workplace) -> list[Row]:
    """p50 and p99 of the main queries, with their plans, and of HTTP under load."""
    stack = running_stack(place.new_folder("stack"))
    running = await asyncio.to_thread(stack.__enter__)
    try:
        environment = _environment(running, free_port())
        with running_service("results", environment, place.new_folder("results")):
            pass  # it makes the tables
        with patch.dict(os.environ, environment):
            settings = Settings()
        shelf = await _fill(place, settings, place.scale.analyses)
        rows = await _measure(place, shelf)
        rows += await _http(place, running, shelf)
    finally:
        await asyncio.to_thread(stack.__exit__, None, None, None)
    return rows


def _environment(running: RunningParts, port: int, slot: int = 0) -> dict[str, str]:
    return {
        **running.environment("results"),
        "ASSAY_HTTP__PORT": str(port),
        "ASSAY_SLOT": str(slot),
        "ASSAY_PEERS": "{}",
        "ASSAY_LOG__FORMAT": "json",
        "ASSAY_LOG__LEVEL": "warning",
    }


# Filling.
async def _fill(place: Workplace, settings: Settings, analyses: int) -> Shelf:
    dsn = settings.database.url.get_secret_value().replace("+asyncpg", "")
    began = time.perf_counter()
    engine = database.build_engine(settings.database, schema=SCHEMA)
    partitions = Partitions(database.driver_transactions(engine), keep_months=None)
    present = Month.of(datetime.now(UTC))
    for back in range(1, 5):
        await partitions.make(present.later(-back))
    connection = await asyncpg.connect(dsn, server_settings={"search_path": SCHEMA})
    try:
        shelf = Shelf(dsn, settings, {}, {})
        # Without the indexes that are not keys, and those made afterwards, as one fills a database.
        definitions = await _without_indexes(connection)
        batch: list[_File] = []
        for file in _files(analyses // 3):
            batch.append(file)
            if len(batch) == 5000:
                await _copy(connection, batch, shelf)
                batch = []
        await _copy(connection, batch, shelf)
        await connection.execute("SET synchronous_commit = off")
        await connection.execute(_RUNS)
        done = int((await connection.execute(_ANALYSES)).rsplit(" ", 1)[1])
        for definition in definitions:
            await connection.execute(definition)
        await connection.execute(
            "INSERT INTO positions SELECT t, p, gen_random_uuid(), 0 FROM unnest($1::text[]) AS t, "
            "generate_series(0, 11) AS p ON CONFLICT DO NOTHING",
            [each.name for each in (FILES, FILES_BULK, ANALYSES)],
        )
        await connection.execute("VACUUM ANALYZE")
        place.say(f"{done} analyses, in {time.perf_counter() - began:.0f} s with their indexes")
        began = time.perf_counter()
        summing, days = Summing(database.driver_transactions(engine)), 0
        while await summing.sum_one(datetime.now(UTC)) is not None:
            days += 1
        await connection.execute("VACUUM ANALYZE file_days, analysis_days, summed_days")
        place.say(f"{days} days counted for statistics in {time.perf_counter() - began:.1f} s")
    finally:
        await connection.close()
        await engine.dispose()
    return shelf


async def _without_indexes(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes JOIN pg_class ON relname = indexname "
        "JOIN pg_index ON indexrelid = pg_class.oid "
        "WHERE schemaname = 'results' AND tablename IN ('files', 'runs', 'analyses') AND NOT indisprimary"
    )
    for row in rows:
        await connection.execute(f"DROP INDEX {row['indexname']}")
    return [row["indexdef"].replace(" ON ONLY ", " ON ") for row in rows]


@dataclass(frozen=True, slots=True)
class _File:
    file_id: UUID
    run_id: UUID
    owner: str
    at: datetime
    name: str
    media_type: str
    sha256: str
    status: str
    label: str | None
    score: float | None


def _files(count: int) -> Iterator[_File]:
    """In the order of their times, as they would have come; the same each time but for the day."""
    chance = random.Random(6)
    end = datetime.now(UTC) - timedelta(minutes=5)
    begin = end - timedelta(days=DAYS)
    owners = [f"bench-{number}" for number in range(OWNERS)]
    # The largest owner has a tenth of everything, the smallest a few hundred files.
    weights = [1 / (number + 3) for number in range(OWNERS)]
    drawn = chance.choices(owners, weights, k=count)
    types = chance.choices(MEDIA_TYPES, MEDIA_WEIGHTS, k=count)
    for number, (owner, media_type) in enumerate(zip(drawn, types, strict=True)):
        at = begin + (end - begin) * number / count
        dice = chance.random()
        is_odd = dice < 0.03
        late = "running" if number > count - 500 else "failed"
        status = (late, "failed", "partially_analyzed")[number % 3] if is_odd else "analyzed"
        score = chance.random() ** 3
        label: str | None = "manipulated" if score > 0.7 else "inconclusive" if score > 0.4 else "no_findings"
        finished = status in ("analyzed", "partially_analyzed")
        yield _File(
            file_id=_id(at, chance),
            run_id=_id(at, chance),
            owner=owner,
            at=at,
            name=f"{chance.choice(WORDS)}_{chance.randrange(10**6):06d}.{media_type.split('/')[1]}",
            media_type=media_type,
            sha256=f"{chance.getrandbits(256):064x}",
            status=status,
            label=label if finished else None,
            score=round(score, 4) if finished else None,
        )


def _id(at: datetime, chance: random.Random) -> UUID:
    milliseconds = int(at.timestamp() * 1000)
    return UUID(
        int=(milliseconds << 80) | (7 << 76) | (chance.getrandbits(12) << 64) | (2 << 62) | chance.getrandbits(62)
    )


async def _copy(connection: asyncpg.Connection, files: Sequence[_File], shelf: Shelf) -> None:
    for file in files[::7]:
        shelf.files.setdefault(file.owner, []).append(file.file_id)
        shelf.hashes.setdefault(file.owner, []).append(file.sha256)
    await connection.copy_records_to_table(
        "files",
        records=[
            (
                f.file_id,
                f.owner,
                f.name,
                f.media_type,
                300_000,
                f.sha256,
                f.at,
                "{}",
                f.run_id,
                f.status,
                f.label,
                f.score,
            )
            for f in files
        ],
        columns=[
            "file_id",
            "owner_id",
            "filename",
            "media_type",
            "size",
            "sha256",
            "created_at",
            "metadata",
            "run_id",
            "status",
            "label",
            "score",
        ],
    )


# Runs and analyses follow from the files; one of 256 files was examined by one analyzer more.
_PLAN = f"CASE WHEN right(sha256, 2) = '00' THEN ARRAY{list(ANALYZERS)} ELSE ARRAY{list(ANALYZERS[:3])} END"
_RUNS = f"""
    INSERT INTO runs (run_id, file_id, owner_id, run_number, plan, requested_at, deadline, completed_at, status, label,
        score, report)
    SELECT run_id, file_id, owner_id, 1, {_PLAN}, created_at, created_at + interval '24 hours',
        CASE WHEN label IS NOT NULL THEN created_at END, status, label, score,
        CASE WHEN label IS NOT NULL THEN jsonb_build_object(
            'label', label, 'claim', 'manipulated', 'score', score, 'confidence', 0.7,
            'summary', 'One of three analyzers found something.', 'missing', '[]'::jsonb,
            'evidence', jsonb_build_array(jsonb_build_object('text', 'The upper left was compressed twice.',
                'weight', 1.5, 'where', jsonb_build_object('analyzer', 'jpeg-forensics')))) END
    FROM files ORDER BY run_id
"""  # noqa: S608
_ANALYSES = """
    INSERT INTO analyses (run_id, analyzer, file_id, owner_id, status, version, fraction, attempt, queued_at,
        completed_at, duration_ms, label, claim, score, confidence, verdict)
    SELECT run_id, analyzer, file_id, owner_id, CASE WHEN label IS NULL THEN 'queued' ELSE 'completed' END, '1.0.0',
        CASE WHEN label IS NULL THEN 0 ELSE 1 END, 1, requested_at, completed_at,
        CASE WHEN label IS NOT NULL THEN 40 + (hashtext(run_id::text || analyzer) & 1023) END, label,
        CASE WHEN label IS NOT NULL THEN 'manipulated' END, score, CASE WHEN label IS NOT NULL THEN 0.8 END,
        CASE WHEN label IS NOT NULL THEN jsonb_build_object(
            'label', label, 'claim', 'manipulated', 'score', score, 'confidence', 0.8, 'artifacts', '[]'::jsonb,
            'details', jsonb_build_object('quality', 88), 'weights_sha256', null, 'reused_from', null,
            'evidence', jsonb_build_array(jsonb_build_object('text', 'The upper left was compressed twice.',
                'weight', 1.5, 'where', jsonb_build_object('box', jsonb_build_array(64, 32, 128, 128))))) END
    FROM runs, unnest(plan) AS analyzer ORDER BY run_id
"""


# Measuring in this process.
Ask = Callable[[str, random.Random], Awaitable[object]]


async def _measure(place: Workplace, shelf: Shelf) -> list[Row]:
    engine = database.build_engine(shelf.settings.database.model_copy(update={"pool_size": 1}), schema=SCHEMA)
    standing = Standing(shelf.settings.kafka)
    library = Library(engine=engine, views=Views("http://bench"), arrivals=Arrivals(), standing=standing)
    seeing = database.driver_transactions(engine, isolation="repeatable_read", readonly=True)
    counting = Counting(seeing)
    rows = []
    try:
        for name, ask in _asks(shelf, library, counting).items():
            if place.wants(ALL) or place.wants(f"query_{name}_p99_ms"):
                rows.append(await _one(place, shelf, seeing, name, ask))
    finally:
        await standing.close()
        await engine.dispose()
    return rows


def _asks(shelf: Shelf, library: Library, counting: Counting) -> dict[str, Ask]:
    def listing(sort: Sort = "newest", **filters: Any) -> Ask:
        async def ask(owner: str, chance: random.Random) -> object:
            chosen = {name: value(owner, chance) if callable(value) else value for name, value in filters.items()}
            return await library.files(owner, Filters(**chosen), sort, EVERYTHING, limit=20, cursor=None)

        return ask

    async def file(owner: str, chance: random.Random) -> object:
        return await library.file(owner, chance.choice(shelf.files[owner]))

    async def snapshot(owner: str, chance: random.Random) -> object:
        return await library.snapshot(owner, None)

    async def own(owner: str, chance: random.Random) -> object:
        return await counting.stats(owner)

    async def everything(owner: str, chance: random.Random) -> object:
        return await Counting(counting._seeing).stats(None)  # one that keeps nothing

    def day(_: str, chance: random.Random) -> datetime:
        return datetime.now(UTC) - timedelta(days=chance.randrange(2, DAYS))

    def part(_: str, chance: random.Random) -> str:
        return f"{chance.randrange(1000):03d}"

    return {
        "file": file,
        "newest": listing(),
        "oldest": listing("oldest"),
        "score": listing("score", min_score=0.5),
        "label": listing(label="manipulated"),
        "status": listing(status="failed"),
        "media_type": listing(media_type="audio/*"),
        "name": listing("name", name=lambda _, chance: f"{chance.choice(WORDS).upper()}_{chance.randrange(10)}"),
        "part_of_name": listing(q=part),
        "analyzer": listing(analyzer="rare-one"),
        "time": listing("oldest", since=day),
        "sha256": listing(sha256=lambda owner, chance: chance.choice(shelf.hashes[owner])),
        "snapshot": snapshot,
        "stats_own": own,
        "stats_all": everything,
    }


async def _one(place: Workplace, shelf: Shelf, seeing: database.DriverTransaction, name: str, ask: Ask) -> Row:
    chance = random.Random(name)
    drawn = shelf._drawn
    for _ in range(5):
        await ask(chance.choice(drawn), chance)
    times = []
    count = max(20, TIMED // 10) if name == "stats_all" else TIMED
    for _ in range(count):
        owner = chance.choice(drawn)
        began = time.perf_counter()
        await ask(owner, chance)
        times.append(1000 * (time.perf_counter() - began))
    whole = await _explain(
        place, seeing, name, lambda: ask(max(shelf.files, key=lambda each: len(shelf.files[each])), chance)
    )
    times.sort()
    p50, p99 = statistics.median(times), times[int(0.99 * len(times))]
    place.say(f"query_{name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    row = f"query_{name}_p99_ms"
    if whole:
        return Row(row, p99, "ms", count, failed=True, note=f"reads the whole of {', '.join(whole)}")
    return Row(row, p99, "ms", count, note=f"p50 {p50:.1f}")


async def _explain(
    place: Workplace, seeing: database.DriverTransaction, name: str, ask: Callable[[], Awaitable[object]]
) -> list[str]:
    """Print the plans of all that a use case sends; returns the large tables that one of them reads whole."""
    sent: list[tuple[str, Any]] = []
    async with seeing() as driver:
        driver.add_query_logger(log := lambda record: sent.append((record.query, record.args)))
    await ask()
    whole: list[str] = []
    async with seeing() as driver:
        driver.remove_query_logger(log)
        large = {
            row["relname"] for row in await driver.fetch("SELECT relname FROM pg_class WHERE reltuples > $1", LARGE)
        }
        for query, args in sent:
            if not query.lstrip().upper().startswith(("SELECT", "WITH")) or "pg_catalog" in query:
                continue
            (found,) = await driver.fetchrow(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *(args or ()))
            plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
            for line in _lines(plan):
                place.say(f"  {name}: {line}")
            whole += [each for each in _read_whole(plan) if each in large]
    return sorted(set(whole))


def _nodes(plan: dict[str, Any], depth: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    yield depth, plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each, depth + 1)


def _lines(plan: dict[str, Any]) -> Iterator[str]:
    for depth, node in _nodes(plan):
        where = node.get("Index Name") or node.get("Relation Name") or ""
        condition = node.get("Index Cond") or node.get("Recheck Cond") or ""
        yield f"{'  ' * depth}{node['Node Type']} {where} {condition}".rstrip()[:200]


def _read_whole(plan: dict[str, Any]) -> Iterator[str]:
    """Tables that a plan reads from end to end, or far along an index without a condition."""
    for _, node in _nodes(plan):
        if node["Node Type"] == "Seq Scan":
            yield node["Relation Name"]
        # A walk along an index that a LIMIT ends soon reads little; what it did read says so.
        read = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        if node["Node Type"] in ("Index Scan", "Index Only Scan") and "Index Cond" not in node and read > LARGE:
            yield node["Relation Name"]


# Through HTTP.
async def _http(place: Workplace, running: RunningParts, shelf: Shelf) -> list[Row]:
    if not any(place.wants(name) for name in NAMES if name == ALL or name.startswith("http_")):
        return []
    with contextlib.ExitStack() as services:
        replicas = [
            services.enter_context(
                running_service(
                    "results", _environment(running, free_port(), slot), place.new_folder(f"results-{slot}")
                )
            )
            for slot in range(REPLICAS)
        ]
        async with _writing(running) as written:
            times, seconds, failures = await _ask_all(shelf, replicas)
            count = written()
        used = sum(cpu_s(each.pid) for each in replicas)
    times.sort()
    rate = len(times) / seconds
    p50, p99 = statistics.median(times), times[int(0.99 * len(times))]
    place.say(
        f"{rate:.0f} requests/s by {CLIENTS} clients, {count} verdicts written meanwhile; {used:.0f} s CPU of services"
    )
    note = f"{failures} failed" if failures else ""
    return [
        Row("http_p50_ms", p50, "ms", len(times), aim=Aim("at most", 100), note=note, failed=failures > 0),
        Row("http_p99_ms", p99, "ms", len(times), aim=Aim("at most", 500), note=note, failed=failures > 0),
        Row("http_requests_per_s", rate, "1/s", len(times), aim=Aim("at least", 500), note=note, failed=failures > 0),
    ]


@asynccontextmanager
async def _writing(running: RunningParts) -> AsyncIterator[Callable[[], int]]:
    """Publishes what results has to write, file after file."""
    publisher = Publisher(kafka_settings(running.environment("results")), source="/assay/bench")
    await publisher.start()
    number = 0

    async def write() -> None:
        nonlocal number
        while True:
            began = time.perf_counter()
            for event in _story(number):
                await publisher.publish(event)
            number += 1
            await asyncio.sleep(max(0.0, 1 / WRITTEN_PER_S - (time.perf_counter() - began)))

    task = asyncio.create_task(write())
    try:
        yield lambda: number * 4
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await publisher.stop()


async def _ask_all(shelf: Shelf, replicas: Sequence[ServiceProcess]) -> tuple[list[float], float, int]:
    """Milliseconds of each answer, seconds of all, and how many were not 200."""
    secret = shelf.settings.auth.secret.get_secret_value()
    chance = random.Random(50)
    times: list[float] = []
    failures = 0
    drawn = shelf._drawn
    counts_from = time.perf_counter() + 3.0
    until = counts_from + HTTP_S

    async def client(number: int) -> None:
        nonlocal failures
        owner = chance.choice(drawn)
        connection = Connection(replicas[number % len(replicas)].url, mint_token(secret, owner, ["user"]))
        await connection.open()
        try:
            while (began := time.perf_counter()) < until:
                status, _ = await connection.get(_path(shelf, owner, chance))
                if began >= counts_from:
                    times.append(1000 * (time.perf_counter() - began))
                    failures += status != 200
        finally:
            await connection.close()

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return times, HTTP_S, failures


def _path(shelf: Shelf, owner: str, chance: random.Random) -> str:
    """What the page and other programs ask for: mostly single files, then lists."""
    dice = chance.random()
    if dice < 0.6:
        return f"/api/v1/files/{chance.choice(shelf.files[owner])}"
    if dice < 0.8:
        return "/api/v1/files?limit=20&fields=filename,status,run.report"
    if dice < 0.85:
        return "/api/v1/files?limit=20"
    if dice < 0.9:
        return "/api/v1/files?limit=20&label=manipulated&sort=score&fields=filename,status,run.report"
    if dice < 0.95:
        return f"/api/v1/files?limit=20&name={chance.choice(WORDS[:9])}&fields=filename,status"
    return f"/api/v1/files/{chance.choice(shelf.files[owner])}/runs/1"
