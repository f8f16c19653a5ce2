"""What really came of the uploads, asked from outside: the topics from their beginning, the rows, S3."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
from support.topics import Received, reading

from assay.contracts import AnalysisCompleted, AnalysisFailed, RunCompleted, decode
from assay.contracts.cloudevents import header
from assay.contracts.dead_letters import ATTEMPTS_HEADER, GROUP_HEADER
from assay.contracts.topics import ANALYSES, DEAD_LETTERS, VERDICTS
from assay.shared.objects import ObjectStore
from assay.shared.settings import S3Settings
from chaos.uploading import Receipt

POLL_S = 1.0
S3 = "ASSAY_S3__"


@dataclass
class Findings:
    """What is wrong, a sentence each; empty where nothing is."""

    lost: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    not_analyzed: list[str] = field(default_factory=list)
    poison: list[str] = field(default_factory=list)


async def ended(environment: dict[str, str], receipts: Sequence[Receipt], within_s: float) -> list[UUID]:
    """Wait until every receipt's run has its report in the rows. Returns those that have none in that time."""
    open_runs = {receipt.run_id for receipt in receipts}
    try:
        async with asyncio.timeout(within_s):
            while True:
                done = await _rows(environment, "SELECT run_id FROM results.runs WHERE completed_at IS NOT NULL")
                open_runs -= {row["run_id"] for row in done}
                if not open_runs:
                    return []
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        return sorted(open_runs)


async def judge(environment: dict[str, str], receipts: Sequence[Receipt]) -> Findings:
    """Hold the receipts against everything that can be read."""
    findings = Findings()
    records = await _everything(environment)
    reports: dict[UUID, set[str]] = defaultdict(set)
    firsts: dict[tuple[UUID, str], AnalysisCompleted | AnalysisFailed] = {}
    letters: list[Received] = []
    for record in records:
        if record.topic == DEAD_LETTERS.name:
            letters.append(record)
            continue
        event = decode(record.value, record.headers) if record.value is not None else None
        if isinstance(event, RunCompleted) and record.topic == VERDICTS.name:
            reports[event.run_id].add(event.model_dump_json(exclude={"occurred_at"}))
        elif isinstance(event, AnalysisCompleted | AnalysisFailed):
            firsts.setdefault((event.run_id, event.analyzer), event)
    await _reports(environment, receipts, reports, findings)
    await _analyses(environment, receipts, firsts, findings)
    await _bytes(environment, receipts, findings)
    _poison(receipts, letters, firsts, findings)
    return findings


async def _reports(
    environment: dict[str, str], receipts: Sequence[Receipt], reports: dict[UUID, set[str]], findings: Findings
) -> None:
    rows = {row["run_id"]: row for row in await _rows(environment, "SELECT run_id, file_id, status FROM results.runs")}
    files = [row["file_id"] for row in await _rows(environment, "SELECT file_id FROM results.files")]
    for receipt in receipts:
        row = rows.get(receipt.run_id)
        if not reports[receipt.run_id]:
            findings.lost.append(f"file {receipt.file_id} has no report in {VERDICTS.name}")
        if row is None or row["file_id"] not in files:
            findings.lost.append(f"file {receipt.file_id} has no row")
        elif not receipt.is_poison and row["status"] != "analyzed":
            findings.not_analyzed.append(f"file {receipt.file_id} ended {row['status']}")
    for run_id, said in reports.items():
        if len(said) > 1:
            findings.duplicates.append(f"run {run_id} has {len(said)} different reports")
    counted = await _rows(environment, "SELECT file_id, count(*) AS runs FROM results.runs GROUP BY file_id")
    findings.duplicates += [f"file {row['file_id']} has {row['runs']} runs" for row in counted if row["runs"] > 1]
    doubles = "SELECT sha256, count(*) AS files FROM results.files GROUP BY owner_id, sha256 HAVING count(*) > 1"
    for row in await _rows(environment, doubles):
        findings.duplicates.append(f"the bytes {row['sha256']} are {row['files']} files")


async def _analyses(
    environment: dict[str, str],
    receipts: Sequence[Receipt],
    firsts: dict[tuple[UUID, str], AnalysisCompleted | AnalysisFailed],
    findings: Findings,
) -> None:
    rows = await _rows(environment, "SELECT run_id, analyzer, label, score, error_code FROM results.analyses")
    stored = {(row["run_id"], row["analyzer"]): row for row in rows}
    for receipt in receipts:
        for analyzer in receipt.plan:
            first, row = firsts.get((receipt.run_id, analyzer)), stored.get((receipt.run_id, analyzer))
            if first is None or row is None:
                findings.lost.append(f"{analyzer} of file {receipt.file_id} has no end")
                continue
            said: tuple[Any, ...] = (
                (None, None, first.code)
                if isinstance(first, AnalysisFailed)
                else (
                    first.verdict.label,
                    first.verdict.score,
                    None,
                )
            )
            if said != (row["label"], row["score"], row["error_code"]):
                findings.duplicates.append(f"{analyzer} of file {receipt.file_id}: another end than the first counts")


async def _bytes(environment: dict[str, str], receipts: Sequence[Receipt], findings: Findings) -> None:
    lines = {name.removeprefix(S3).lower(): value for name, value in environment.items() if name.startswith(S3)}
    store = ObjectStore(S3Settings.model_validate(lines))
    try:
        for receipt in receipts:
            if await store.size_of(f"files/{receipt.file_id}/content") is None:
                findings.lost.append(f"the bytes of file {receipt.file_id} are not in S3")
    finally:
        store.close()


def _poison(
    receipts: Sequence[Receipt],
    letters: Sequence[Received],
    firsts: dict[tuple[UUID, str], AnalysisCompleted | AnalysisFailed],
    findings: Findings,
) -> None:
    """It becomes one dead letter after three attempts of its own; nobody else becomes one."""
    poisons = {str(receipt.file_id).encode(): receipt for receipt in receipts if receipt.is_poison}
    of_poison = [letter for letter in letters if letter.key in poisons]
    for letter in letters:
        if letter.key not in poisons:
            findings.not_analyzed.append(
                f"{(letter.key or b'').decode()} is a dead letter of {header(letter.headers, GROUP_HEADER)}"
            )
    if [header(letter.headers, ATTEMPTS_HEADER) for letter in of_poison] != ["3"] * len(poisons):
        findings.poison.append(f"the poison has {len(of_poison)} dead letters, not one after three attempts")
    for receipt in poisons.values():
        end = firsts.get((receipt.run_id, "chaos-fragile"))
        if not isinstance(end, AnalysisFailed):
            findings.poison.append("the poison's analysis did not fail")


async def _everything(environment: dict[str, str]) -> list[Received]:
    """All records of the topics, up to a second in which nothing came."""
    topics = (VERDICTS.name, ANALYSES.name, DEAD_LETTERS.name)
    async with reading(environment, *topics, from_beginning=True) as reader:
        seen = -1
        while len(reader.records) != seen:
            seen = len(reader.records)
            try:
                await reader.wait_until(lambda records, had=seen: len(records) > had, seconds=3)
            except TimeoutError:
                break
        return reader.records


async def _rows(environment: dict[str, str], query: str) -> list[asyncpg.Record]:
    address = environment["ASSAY_DATABASE__URL"].replace("postgresql+asyncpg://", "postgresql://")
    while True:
        try:
            connection = await asyncpg.connect(address)
            break
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(POLL_S)  # it was just killed
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()
