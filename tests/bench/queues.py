"""Celery and Karton on the same machine, files and analyzers, in the same run as our worker.

Theirs: each combination of concurrency (worker processes) and prefetch is printed, the best one counts. Karton has no
prefetch; there a service takes one task at a time (1), or as many as its asyncio variant's `concurrency_limit` says.
Torch threads: what the processes leave each other of the cores, and for the best combination also 1 and all cores.
Ours: one worker as deployed, before and after theirs, and at the last of the engine's settings; each is printed, the
best one counts.
"""

import json
import os
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bench import installation
from bench.assay_worker import Drained, Parts, Stored, drain, lone_files, running_parts
from bench.measuring import Order
from bench.rows import Aim, Row
from bench.scale import DEPLOYED, Setting
from bench.workplace import Workplace

LIGHT, HEAVY = "bench-light", "bench-heavy"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WARM = 5
THEIRS = ("celery", "karton")
"""Each is measured by a process of its own, `python -m bench.<name>_measure`."""


async def throughput(place: Workplace) -> list[Row]:
    """With a network of 2 ms or less."""
    return await _throughput(place, "", LIGHT, Aim("at least", 2.0))


async def throughput_heavy(place: Workplace) -> list[Row]:
    """With ResNet-18."""
    return await _throughput(place, "_heavy", HEAVY, Aim("at least", 1.0))


async def latency(place: Workplace) -> list[Row]:
    """Medians of lone files, one after the other, with the light network."""
    installation.ensure()
    medians: dict[str, float] = {}
    async with running_parts(place) as parts:
        stored = await parts.put(place.pictures)
        chosen = [stored[number % len(stored)] for number in range(WARM + place.scale.lone)]
        async with lone_files(place, parts, LIGHT, DEPLOYED) as submitter:
            took = [await submitter.judge(each) for each in chosen][WARM:]
        ours = _milliseconds(took)
        place.say(f"assay, {DEPLOYED}: p50 {ours:.1f} ms, p95 {_p95(took):.1f} ms")
        for theirs in THEIRS:
            if not place.wants(f"{theirs}_latency"):
                continue
            for order in _orders(place, chosen, LIGHT):
                took = _run(place, parts, theirs, "lone", order)["latencies"][WARM:]
                median = _milliseconds(took)
                medians[theirs] = min(median, medians.get(theirs, median))
                place.say(f"{theirs}, {_described(order)}: p50 {median:.1f} ms, p95 {_p95(took):.1f} ms")
        for threads in sorted({1, CORES}):
            order = replace(_orders(place, chosen, LIGHT)[0], threads=threads)
            took = _run(place, parts, "bare", "lone", order)["latencies"][WARM:]
            place.say(f"no queue at all, {threads} torch threads: p50 {_milliseconds(took):.1f} ms")
    aim = Aim("at most", 0.5)
    return [
        Row(f"{theirs}_latency", ours, "ms", place.scale.lone, baseline=median, aim=aim)
        for theirs, median in medians.items()
    ]


async def _throughput(place: Workplace, suffix: str, analyzer: str, aim: Aim) -> list[Row]:
    installation.ensure()
    ours: list[Drained] = []
    best: dict[str, Drained] = {}
    async with running_parts(place) as parts:
        stored = await parts.put(place.pictures)

        async def measure_ours(setting: Setting) -> None:
            ours.append(await drain(place, parts, stored, analyzer, setting))
            place.say(f"assay, {setting}: {ours[-1]}")

        # Ours before and after theirs: a machine that gets slower or quicker meanwhile does so for both.
        for setting in (DEPLOYED, place.scale.engine_settings[-1]):
            await measure_ours(setting)
        for theirs in THEIRS:
            if place.wants(f"{theirs}_throughput{suffix}"):
                best[theirs] = _best_of(place, parts, theirs, _orders(place, stored, analyzer))
        await measure_ours(DEPLOYED)
    failed = sum(each.failed for each in ours)
    rows = []
    for theirs, found in best.items():
        lost = failed + found.failed
        note = f"{failed} of ours and {found.failed} of {theirs}'s files failed" if lost else ""
        value = max(each.rate for each in ours)
        name = f"{theirs}_throughput{suffix}"
        row = Row(name, value, "files/s", len(stored), baseline=found.rate, aim=aim, note=note, failed=bool(lost))
        rows.append(row)
    return rows


def _best_of(place: Workplace, parts: Parts, theirs: str, orders: Sequence[Order]) -> Drained:
    """The quickest of all combinations, and of other numbers of torch threads with it."""
    found: dict[Order, Drained] = {}

    def measure(order: Order) -> None:
        counts = _run(place, parts, theirs, "backlog", order)
        found[order] = Drained(counts["files"], counts["failed"], counts["seconds"])
        place.say(f"{theirs}, {_described(order)}: {found[order]}")

    def quickest() -> Order:
        return max(found, key=lambda order: found[order].rate)

    for order in orders:
        measure(order)
    best = quickest()
    for threads in sorted({1, CORES} - {best.threads}):
        measure(replace(best, threads=threads))
    return found[quickest()]


def _orders(place: Workplace, stored: Sequence[Stored], analyzer: str) -> list[Order]:
    files = tuple((each.key, each.picture.size, each.picture.sha256) for each in stored)
    return [
        Order(analyzer, concurrency, prefetch, max(1, CORES // concurrency), files)
        for concurrency, prefetch in place.scale.combinations
    ]


def _described(order: Order) -> str:
    return f"concurrency {order.concurrency}, prefetch {order.prefetch}, {order.threads} torch threads"


def _run(place: Workplace, parts: Parts, theirs: str, what: str, order: Order) -> dict[str, Any]:
    """Have it measured. Raises RuntimeError with the end of its output where that fails."""
    folder = place.new_folder(theirs)
    order.write(folder / "order.json")
    command = [str(installation.PYTHON), "-m", f"bench.{theirs}_measure", what, str(folder / "order.json")]
    environment = place.child_environment(**parts.storage_lines)
    run = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"{theirs} failed: {run.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def _milliseconds(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1000


def _p95(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(0.95 * (len(seconds) - 1))] * 1000
