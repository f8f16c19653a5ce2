"""The main queries of results over millions of analyses, each with its plan; and HTTP while verdicts are written.

Files are brought in with COPY, their runs and analyses made of them, in the form in which the service writes them,
spread over three months and owners of very different size. Then the use cases run in this process against PostgreSQL,
one after the other, each for many owners. What each sends is caught, and explained as it runs, for the owner with the
most files and for one that has been away for months: a plan that reads a large table from end to end, or very many rows
of it in whatever way, fails the row. That such plans are noticed is tried first. At last 50 clients ask the running
service for the same, while it writes verdicts out of Kafka.
"""

import asyncio
import contextlib
import gc
import json
import os
import random
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

import asyncpg
from alembic.config import Config
from alembic.script import ScriptDirectory
from support.processes import cpu_s
from support.services import ServiceProcess, free_port, running_service
from support.stacks import RunningParts, running_stack
from support.topics import kafka_settings

from assay.contracts.topics import ANALYSES, FILES, FILES_BULK
from assay.results.arrivals import Arrivals
from assay.results.counting import Counting
from assay.results.listing import Filters, Sort
from assay.results.main import MIGRATIONS
from assay.results.months import Month
from assay.results.partitions import Partitions
from assay.results.reading import Library
from assay.results.settings import Settings
from assay.results.sparse import EVERYTHING
from assay.results.standing import Standing
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
AWAY = "bench-away"
"""An owner who had a hundredth of the first days' files, and none since."""
AWAY_SINCE = 0.05
LARGE = 20_000
"""Rows; a table with more is not read whole, and no more are read of one."""
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
        async with _trusted_machine(running):
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
@asynccontextmanager
async def _trusted_machine(running: RunningParts) -> AsyncIterator[None]:
    """While it is filled, let this server, which nobody will need again, not wait for its disk."""
    trust = {"fsync": "off", "full_page_writes": "off", "maintenance_work_mem": "'512MB'", "autovacuum": "off"}
    await _alter(running, *(f"SET {name} = {value}" for name, value in trust.items()))
    yield
    await _alter(running, *(f"RESET {name}" for name in trust), then="CHECKPOINT")


async def _alter(running: RunningParts, *lines: str, then: str = "SELECT 1") -> None:
    server = await asyncpg.connect(running.environment()["ASSAY_DATABASE__URL"].replace("+asyncpg", ""))
    try:
        for line in lines:
            await server.execute(f"ALTER SYSTEM {line}")
        await server.execute("SELECT pg_reload_conf()")
        await server.execute(then)
    finally:
        await server.close()


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
        place.say(f"files after {time.perf_counter() - began:.0f} s")
        await connection.execute(_RUNS)
        place.say(f"runs after {time.perf_counter() - began:.0f} s")
        done = sum(await asyncio.gather(*(_analyses(dsn, *each) for each in _halves(present))))
        place.say(f"analyses after {time.perf_counter() - began:.0f} s")
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
        await connection.execute("SET work_mem = '256MB'")
        counted = await connection.execute(f"INSERT INTO tallies (owner_id, day, subject, counts) {_count()}")
        await connection.execute("VACUUM ANALYZE tallies")
        place.say(f"{counted.rsplit(' ', 1)[1]} tallies counted in {time.perf_counter() - began:.0f} s")
    finally:
        await connection.close()
        await engine.dispose()
    return shelf


def _count() -> str:
    """How the service's migration counts what it finds."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    text: str = ScriptDirectory.from_config(config).get_revision("0007").module.COUNT
    return text


def _halves(present: Month) -> list[tuple[UUID, UUID]]:
    """All ids in two ranges, one for each core."""
    middle = present.later(-1).first_id
    return [(UUID(int=0), middle), (middle, UUID(int=2**128 - 1))]


async def _analyses(dsn: str, first: UUID, beyond: UUID) -> int:
    connection = await asyncpg.connect(dsn, server_settings={"search_path": SCHEMA})
    try:
        return int((await connection.execute(_ANALYSES, first, beyond)).rsplit(" ", 1)[1])
    finally:
        await connection.close()


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
    drawn[: int(AWAY_SINCE * count) : 100] = [AWAY] * len(range(0, int(AWAY_SINCE * count), 100))
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
    for file in files:
        if file.owner != AWAY and int(file.sha256[:2], 16) % 7:
            continue
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
    FROM runs, unnest(plan) AS analyzer WHERE run_id >= $1 AND run_id < $2 ORDER BY run_id
"""


# Measuring in this process.
Ask = Callable[[str, random.Random], Awaitable[object]]
Plan = dict[str, Any]
"""A node of EXPLAIN's JSON."""


async def _measure(place: Workplace, shelf: Shelf) -> list[Row]:
    # What was made to fill the tables is no garbage; to look through it again and again is no part of any query.
    gc.collect()
    gc.freeze()
    engine = database.build_engine(shelf.settings.database.model_copy(update={"pool_size": 1}), schema=SCHEMA)
    standing = Standing(shelf.settings.kafka)
    library = Library(engine=engine, views=Views("http://bench"), arrivals=Arrivals(), standing=standing)
    seeing = database.driver_transactions(engine, isolation="repeatable_read", readonly=True)
    counting = Counting(seeing)
    rows = []
    try:
        await _try_the_check(seeing)
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
    read = 0
    wrong: set[str] = set()
    for owner in (max(shelf.files, key=lambda each: len(shelf.files[each])), AWAY):
        plans = await _explain(place, seeing, f"{name} of {owner}", lambda owner=owner: ask(owner, chance))  # type: ignore[misc]
        read = max(read, sum(_read(plan).total() for plan in plans))
        wrong |= {each for plan in plans for each in _too_much(plan, await _large(seeing))}
    times.sort()
    p50, p99 = statistics.median(times), times[int(0.99 * len(times))]
    place.say(f"query_{name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, {read} rows read")
    note = f"p50 {p50:.1f}, {read} rows read"
    if wrong:
        note = f"{note}; reads too much of {', '.join(sorted(wrong))}"
    return Row(f"query_{name}_p99_ms", p99, "ms", count, failed=bool(wrong), note=note)


async def _large(seeing: database.DriverTransaction) -> set[str]:
    async with seeing() as driver:
        found = await driver.fetch("SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples > $1", LARGE)
    return {row["relname"] for row in found}


async def _explain(
    place: Workplace, seeing: database.DriverTransaction, name: str, ask: Callable[[], Awaitable[object]]
) -> list[Plan]:
    """Print and return the plans of all that a use case sends."""
    sent: list[tuple[str, Any]] = []
    async with seeing() as driver:
        driver.add_query_logger(log := lambda record: sent.append((record.query, record.args)))
    await ask()
    plans = []
    async with seeing() as driver:
        driver.remove_query_logger(log)
        for query, args in sent:
            if query.lstrip().upper().startswith(("SELECT", "WITH")) and "pg_catalog" not in query:
                plans.append(await _plan(driver, query, *(args or ())))
    for plan in plans:
        for line in _lines(plan):
            place.say(f"  {name}: {line}")
    if not plans:
        raise RuntimeError(f"nothing was seen of what {name} sends")
    return plans


async def _plan(driver: database.Driver, query: str, *args: object) -> Plan:
    """How a statement is answered, with what it really reads."""
    found = await driver.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *args)
    plan: Plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return plan


async def _try_the_check(seeing: database.DriverTransaction) -> None:
    """Raises where the check lets through what it is there to find: it would say nothing of the other plans."""
    large = await _large(seeing)
    async with seeing() as driver:
        # A table from end to end; one along its key; and very many rows by an index that fits.
        for query, settings in (
            ("SELECT count(*) FROM analyses WHERE score > 0.99", ("SET LOCAL enable_indexscan = off",)),
            (
                "SELECT file_id FROM files WHERE sha256 LIKE 'no%' ORDER BY file_id LIMIT 20",
                ("SET LOCAL enable_indexscan = on", "SET LOCAL enable_seqscan = off", "SET LOCAL enable_sort = off"),
            ),
            (
                "SELECT count(size) FROM files WHERE file_id > '01000000-0000-0000-0000-000000000000'",
                ("SET LOCAL enable_seqscan = off", "SET LOCAL enable_bitmapscan = off"),
            ),
        ):
            for setting in settings:
                await driver.execute(setting)
            plan = await _plan(driver, query)
            if not _too_much(plan, large):
                raise RuntimeError(f"the check of plans does not see that this reads too much: {list(_lines(plan))}")


def _nodes(plan: Plan, depth: int = 0) -> Iterator[tuple[int, Plan]]:
    yield depth, plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each, depth + 1)


def _lines(plan: Plan) -> Iterator[str]:
    for depth, node in _nodes(plan):
        where = node.get("Index Name") or node.get("Relation Name") or ""
        condition = node.get("Index Cond") or node.get("Recheck Cond") or ""
        yield f"{'  ' * depth}{node['Node Type']} {where} {condition}".rstrip()[:200]


def _read(plan: Plan) -> Counter[str]:
    """Rows that a plan looked at, by table: those that it went on with, and those that a filter took away."""
    read: Counter[str] = Counter()
    for _, node in _nodes(plan):
        if "Relation Name" in node:
            removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            read[node["Relation Name"]] += round((node["Actual Rows"] + removed) * node["Actual Loops"])
    return read


def _too_much(plan: Plan, large: set[str]) -> set[str]:
    """Large tables that a plan reads from end to end, or very many rows of."""
    scanned = {node["Relation Name"] for _, node in _nodes(plan) if node["Node Type"] == "Seq Scan"}
    return (scanned & large) | {table for table, rows in _read(plan).items() if rows > LARGE}


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
