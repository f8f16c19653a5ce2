"""Celery and Karton on the same machine, files and analyzers, in the same run as our worker.

Theirs: each combination of concurrency (worker processes) and prefetch is printed, the best one counts. Karton has no
prefetch; there a service takes one task at a time (1), or as many as its asyncio variant's `concurrency_limit` says.
Torch threads: what the processes leave each other of the cores, and for the best combination also 1 and all cores.
Ours: one worker as deployed and at the engine's settings; each is printed, the best one counts.
"""

import json
import os
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench import installation
from bench.assay_worker import Parts, Stored, drain, lone_files, running_parts
from bench.measuring import Order
from bench.rows import Aim, Row
from bench.scale import DEPLOYED, Setting
from bench.workplace import Workplace

LIGHT, HEAVY = "bench-light", "bench-heavy"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WARM = 5


@dataclass(frozen=True, slots=True)
class Theirs:
    """A task system that is measured by a process of its own, `python -m bench.<name>_measure`."""

    name: str


CELERY, KARTON = Theirs("celery"), Theirs("karton")


async def celery_throughput(place: Workplace) -> list[Row]:
    return [await _throughput(place, CELERY, "celery_throughput", LIGHT, Aim("at least", 2.0))]


async def karton_throughput(place: Workplace) -> list[Row]:
    return [await _throughput(place, KARTON, "karton_throughput", LIGHT, Aim("at least", 2.0))]


async def celery_throughput_heavy(place: Workplace) -> list[Row]:
    return [await _throughput(place, CELERY, "celery_throughput_heavy", HEAVY, Aim("at least", 1.0))]


async def karton_throughput_heavy(place: Workplace) -> list[Row]:
    return [await _throughput(place, KARTON, "karton_throughput_heavy", HEAVY, Aim("at least", 1.0))]


async def celery_latency(place: Workplace) -> list[Row]:
    return [await _latency(place, CELERY, "celery_latency")]


async def karton_latency(place: Workplace) -> list[Row]:
    return [await _latency(place, KARTON, "karton_latency")]


async def _throughput(place: Workplace, theirs: Theirs, name: str, analyzer: str, aim: Aim) -> Row:
    installation.ensure()
    failed = 0
    ours: list[float] = []
    rates: dict[Order, float] = {}
    async with running_parts(place) as parts:
        stored = await parts.put(place.pictures)

        async def measure_ours(settings: Sequence[Setting]) -> int:
            lost = 0
            for setting in settings:
                found = await drain(place, parts, stored, analyzer, setting)
                place.say(f"assay, {setting}: {found}")
                ours.append(found.rate)
                lost += found.failed
            return lost

        def measure_theirs(order: Order) -> int:
            found = _run(place, parts, theirs, "backlog", order)
            rates[order] = (found["files"] - found["failed"]) / found["seconds"]
            place.say(f"{theirs.name}, {_described(order)}: {rates[order]:.1f} files/s")
            return int(found["failed"])

        # Ours before and after theirs: a machine that gets slower or quicker meanwhile does so for both.
        failed += await measure_ours([DEPLOYED, *place.scale.engine_settings])
        for order in _orders(place, stored, analyzer):
            failed += measure_theirs(order)
        best = max(rates, key=lambda order: rates[order])
        for threads in sorted({1, CORES} - {best.threads}):
            failed += measure_theirs(_with_threads(best, threads))
        failed += await measure_ours([DEPLOYED])
    note = f"{failed} files failed" if failed else ""
    return Row(
        name, max(ours), "files/s", len(stored), baseline=max(rates.values()), aim=aim, note=note, failed=bool(failed)
    )


async def _latency(place: Workplace, theirs: Theirs, name: str) -> Row:
    """Medians of lone files, one after the other, with the light analyzer; theirs at its best combination."""
    installation.ensure()
    medians = []
    async with running_parts(place) as parts:
        stored = await parts.put(place.pictures)
        chosen = [stored[number % len(stored)] for number in range(WARM + place.scale.lone)]
        async with lone_files(place, parts, LIGHT, DEPLOYED) as submitter:
            took = [await submitter.judge(each) for each in chosen][WARM:]
        ours = _milliseconds(took)
        place.say(f"assay, {DEPLOYED}: p50 {ours:.1f} ms, p95 {_p95(took):.1f} ms")
        for order in _orders(place, chosen, LIGHT):
            took = _run(place, parts, theirs, "lone", order)["latencies"][WARM:]
            medians.append(_milliseconds(took))
            place.say(f"{theirs.name}, {_described(order)}: p50 {medians[-1]:.1f} ms, p95 {_p95(took):.1f} ms")
    return Row(name, ours, "ms", place.scale.lone, baseline=min(medians), aim=Aim("at most", 0.5))


def _orders(place: Workplace, stored: Sequence[Stored], analyzer: str) -> list[Order]:
    files = tuple((each.key, each.picture.size, each.picture.sha256) for each in stored)
    return [
        Order(analyzer, concurrency, prefetch, max(1, CORES // concurrency), files)
        for concurrency, prefetch in place.scale.combinations
    ]


def _with_threads(order: Order, threads: int) -> Order:
    return Order(order.analyzer, order.concurrency, order.prefetch, threads, order.files)


def _described(order: Order) -> str:
    return f"concurrency {order.concurrency}, prefetch {order.prefetch}, {order.threads} torch threads"


def _run(place: Workplace, parts: Parts, theirs: Theirs, what: str, order: Order) -> dict[str, Any]:
    """Have it measured. Raises RuntimeError with the end of its output where that fails."""
    folder = place.new_folder(theirs.name)
    order.write(folder / "order.json")
    storage = {
        "endpoint": parts.s3.endpoint_url,
        "bucket": parts.s3.bucket,
        "region": parts.s3.region,
        "access_key": parts.s3.access_key_id,
        "secret_key": parts.s3.secret_access_key.get_secret_value(),
    }
    command = [str(installation.PYTHON), "-m", f"bench.{theirs.name}_measure", what, str(folder / "order.json")]
    environment = place.child_environment(BENCH_S3=json.dumps(storage))
    run = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"{theirs.name} failed: {run.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def _milliseconds(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1000


def _p95(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(0.95 * (len(seconds) - 1))] * 1000
