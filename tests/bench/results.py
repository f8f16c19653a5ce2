"""Verdicts that results persists, out of Kafka, beside asyncpg's bare multi-row upsert of the same rows.

The events lie in Kafka before the service starts: of each file its upload and request, of each of its analyses
`started` and `completed`. The clock runs from the first stored position that moved until every analysis is completed in
the tables; all that the service does meanwhile is in it, reports included. The bare upsert takes the rows that the
service wrote into a table of the same shape, 500 in a statement, each in a transaction.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
from support.processes import cpu_s
from support.services import ServiceProcess, free_port, running_service
from support.stacks import running_stack
from support.topics import kafka_settings

from assay.contracts import AnalysisCompleted, AnalysisStarted, Event, Evidence, FileUploaded, RunRequested, Verdict
from assay.shared.clock import now
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher, ensure_topics
from bench.rows import Aim, Row
from bench.workplace import Workplace

PLAN = ("bench-one", "bench-two", "bench-three", "bench-four")
OWNERS = 20
AT_ONCE = 500
PATIENCE_S = 900.0


async def results_persist(place: Workplace) -> list[Row]:
    """Verdicts a second from Kafka into the tables, over those of the bare upsert."""
    files = -(-place.scale.verdicts // len(PLAN))
    stack = running_stack(place.new_folder("stack"))
    running = await asyncio.to_thread(stack.__enter__)
    try:
        environment = {
            **running.environment("results"),
            "ASSAY_HTTP__PORT": str(free_port()),
            "ASSAY_PEERS": "{}",
            "ASSAY_LOG__FORMAT": "json",
        }
        records = await _publish(environment, files)
        place.say(f"{records} records of {files} files, {len(PLAN)} verdicts each")
        run = await asyncio.to_thread(_persist, environment, place.new_folder("results"), files * len(PLAN))
        place.say(
            f"{records / run.seconds:.0f} records/s; a record takes {run.cpu_s / records * 1e6:.0f} µs of the "
            f"service's CPU; the last report left {run.reported_s - run.seconds:.1f} s later"
        )
        bare = await _bare(environment)
    finally:
        await asyncio.to_thread(stack.__exit__, None, None, None)
    count = files * len(PLAN)
    return [Row("results_persist", count / run.seconds, "verdicts/s", count, bare, Aim("at least", 0.5))]


def _story(number: int) -> Iterator[Event]:
    """All that is said of one file."""
    file_id, run_id, at = new_id(), new_id(), now()
    said: dict[str, Any] = {"file_id": file_id, "owner_id": f"bench-{number % OWNERS}", "occurred_at": at}
    facts: dict[str, Any] = {
        "media_type": "image/jpeg",
        "size": 300_000,
        "sha256": "ab" * 32,
        "object_key": f"files/{file_id}/content",
    }
    yield FileUploaded(**said, **facts, filename=f"photo {number}.jpg", metadata={"desk": "news"})
    yield RunRequested(**said, **facts, run_id=run_id, run_number=1, plan=PLAN, deadline=at + timedelta(hours=24))
    for name in PLAN:
        yield AnalysisStarted(**said, run_id=run_id, analyzer=name, version="1.0.0", attempt=1, device="cpu")
    for name in PLAN:
        evidence = [
            Evidence(text=f"Trace {trace} of {name} lies in this part of the picture.", weight=1.5 - trace)
            for trace in range(3)
        ]
        yield AnalysisCompleted(
            **said,
            run_id=run_id,
            analyzer=name,
            version="1.0.0",
            device="cpu",
            duration_ms=120,
            verdict=Verdict(
                label="manipulated",
                claim="manipulated",
                score=0.93,
                confidence=0.8,
                evidence=tuple(evidence),
                details={"raw_score": 2.6, "blocks": 1200, "quality": 88},
            ),
        )


async def _publish(environment: dict[str, str], files: int) -> int:
    settings = kafka_settings(environment)
    await ensure_topics(settings)
    publisher = Publisher(settings, source="/assay/bench")
    await publisher.start()
    count = 0
    try:
        for start in range(0, files, 100):
            events = [event for number in range(start, min(files, start + 100)) for event in _story(number)]
            await asyncio.gather(*[await publisher.hand_over(event, topic=event.topics[0]) for event in events])
            count += len(events)
    finally:
        await publisher.stop()
    return count


@dataclass(frozen=True, slots=True)
class Run:
    """What it took."""

    seconds: float
    reported_s: float
    cpu_s: float


def _persist(environment: dict[str, str], folder: Path, verdicts: int) -> Run:
    with running_service("results", environment, folder) as service:
        return asyncio.run(_watch(service, _dsn(environment), verdicts))


async def _watch(service: ServiceProcess, dsn: str, verdicts: int) -> Run:
    connection = await asyncpg.connect(dsn)

    async def until(fact: str, pause_s: float = 0.05) -> float:
        """Seconds on the clock when a query says true."""
        while not await connection.fetchval(fact):  # noqa: ASYNC110  # it is in another process
            await asyncio.sleep(pause_s)
        return time.perf_counter()

    try:
        async with asyncio.timeout(PATIENCE_S):
            began = await until("SELECT sum(next_offset) > 0 FROM results.positions", 0.01)
            began_cpu = cpu_s(service.pid)
            # A cheap question until all is read, though perhaps not written in this order.
            await until(
                f"SELECT sum(next_offset) >= {2 * verdicts} FROM results.positions "  # noqa: S608  # a number
                "WHERE topic = 'assay.analyses'"
            )
            ended = await until(
                f"SELECT count(*) >= {verdicts} FROM results.analyses WHERE status = 'completed'"  # noqa: S608
            )
            used_s = cpu_s(service.pid) - began_cpu
            reported = await until(
                "SELECT NOT EXISTS (SELECT 1 FROM results.runs WHERE report IS NULL) "
                "AND NOT EXISTS (SELECT 1 FROM results.outbox)"
            )
            return Run(ended - began, reported - began, used_s)
    finally:
        await connection.close()


async def _bare(environment: dict[str, str]) -> float:
    """Rows a second of the same rows, written by nothing but asyncpg."""
    connection = await asyncpg.connect(_dsn(environment))
    try:
        rows: Sequence[asyncpg.Record] = await connection.fetch("SELECT * FROM results.analyses ORDER BY file_id")
        await connection.execute("CREATE TABLE results.bare (LIKE results.analyses INCLUDING ALL)")
        columns = list(rows[0].keys())
        width = len(columns)
        changed = ", ".join(f"{each} = excluded.{each}" for each in columns if each not in ("run_id", "analyzer"))
        most = min(AT_ONCE, 32_767 // width)

        def statement(count: int) -> str:
            values = ", ".join(
                "(" + ", ".join(f"${row * width + column + 1}" for column in range(width)) + ")" for row in range(count)
            )
            return (
                f"INSERT INTO results.bare ({', '.join(columns)}) VALUES {values} "  # noqa: S608  # its own columns
                f"ON CONFLICT (run_id, analyzer) DO UPDATE SET {changed}"
            )

        began = time.perf_counter()
        for start in range(0, len(rows), most):
            some = rows[start : start + most]
            await connection.execute(statement(len(some)), *[value for row in some for value in row.values()])
        return len(rows) / (time.perf_counter() - began)
    finally:
        await connection.close()


def _dsn(environment: dict[str, str]) -> str:
    return environment["ASSAY_DATABASE__URL"].replace("+asyncpg", "")
