"""engine_efficiency and engine_efficiency_light: our worker's files per second over those of a bare loop."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.assay_worker import Drained, Parts, Stored, drain, running_parts
from bench.pictures import Picture
from bench.rows import Aim, Row
from bench.scale import Setting
from bench.workplace import Workplace


@dataclass(frozen=True, slots=True)
class Pair:
    """One setting, on both sides."""

    setting: Setting
    ours: float
    bare: float


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of all settings. fastest, hardest: the one in which ours, and the bare loop, was fastest."""

    stored: tuple[Stored, ...]
    fastest: Pair
    hardest: Pair
    failed: int

    def row(self, name: str, aim: Aim) -> Row:
        """Our best over the bare loop's best."""
        return rate_row(name, self.fastest.ours, len(self.stored), aim, failed=self.failed, baseline=self.hardest.bare)


def rate_row(name: str, rate: float, n: int, aim: Aim, *, failed: int, baseline: float | None = None) -> Row:
    """Files per second, of a backlog of n files of which so many failed."""
    note = f"{failed} files failed" if failed else ""
    return Row(name, rate, "files/s", n, baseline=baseline, aim=aim, note=note, failed=bool(failed))


async def engine_efficiency(place: Workplace) -> list[Row]:
    """With ResNet-18."""
    return [await _efficiency(place, "engine_efficiency", "bench-heavy", Aim("at least", 0.9))]


async def engine_efficiency_light(place: Workplace) -> list[Row]:
    """With a network of 2 ms or less."""
    place.say(f"the light network takes {single_ms('bench-light'):.2f} ms a picture, alone, on one core")
    return [await _efficiency(place, "engine_efficiency_light", "bench-light", Aim("at least", 0.7))]


async def _efficiency(place: Workplace, name: str, analyzer: str, aim: Aim) -> Row:
    async with running_parts(place) as parts:
        found = await compared(place, parts, place.pictures, analyzer)
    return found.row(name, aim)


async def compared(place: Workplace, parts: Parts, pictures: Sequence[Picture], analyzer: str) -> Compared:
    """Each setting on both sides, in alternating order."""
    pairs = []
    failed = 0
    stored = await parts.put(pictures)
    # The bare loop is warm when its clock starts. So is Kafka: what a fresh broker has to compile is not ours.
    await drain(place, parts, stored, analyzer, place.scale.engine_settings[0])
    for number, setting in enumerate(place.scale.engine_settings):
        bare = bare_loop(place, pictures, analyzer, setting) if number % 2 else None
        ours = await drain(place, parts, stored, analyzer, setting)
        bare = bare or bare_loop(place, pictures, analyzer, setting)
        failed += ours.failed
        pairs.append(Pair(setting, ours.rate, bare.rate))
        place.say(f"{setting}: ours {ours}, bare loop {bare.rate:.1f}, {ours.rate / bare.rate:.3f}")
    hard = max(pairs, key=lambda pair: pair.bare)
    keys = [each.key for each in stored]
    fetching = bare_loop(place, pictures, analyzer, hard.setting, keys, **parts.storage_lines)
    place.say(f"{hard.setting}: a bare loop that reads the files from S3, as ours does: {fetching}")
    return Compared(tuple(stored), max(pairs, key=lambda pair: pair.ours), hard, failed)


def bare_loop(
    place: Workplace,
    pictures: Sequence[Picture],
    analyzer: str,
    setting: Setting,
    keys: Sequence[str] = (),
    **environment: str,
) -> Drained:
    """Run the bare loop in a process of its own. Raises RuntimeError with what it wrote where it fails.

    keys: objects in S3 to read instead of files on the local disk, and in `environment` how to get at them.
    """
    list_path = place.folder / "pictures.txt"
    listed = keys or [str(picture.path) for picture in pictures]
    list_path.write_text("\n".join(listed))
    numbers = [str(number) for number in (setting.batch, setting.processes, setting.threads)]
    threads = {"OMP_NUM_THREADS": str(setting.threads), "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, "-m", "bench.bare_loop", analyzer, *numbers, str(list_path)]
    variables = place.child_environment(**threads, **environment)
    run = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"the bare loop failed: {run.stderr[-2000:]}")
    found = json.loads(run.stdout.splitlines()[-1])
    if found["files"] != len(listed):
        raise RuntimeError(f"the bare loop judged {found['files']} of {len(listed)} files")
    return Drained(found["files"], 0, found["seconds"])


def single_ms(analyzer: str, times: int = 50) -> float:
    """Milliseconds that the network takes for one picture on one core, at the median."""
    import numpy as np
    import torch

    from assay.sdk import NoSettings
    from bench.analyzers import KINDS, SIDE, PictureAnalyzer

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        instance = KINDS[analyzer](NoSettings())
        assert isinstance(instance, PictureAnalyzer)
        instance.load("cpu")
        picture = np.zeros((1, SIDE, SIDE, 3), np.uint8)
        took = []
        with torch.inference_mode():
            for _ in range(times):
                began = time.perf_counter()
                instance.judge(picture)
                took.append(time.perf_counter() - began)
        return statistics.median(took) * 1000
    finally:
        torch.set_num_threads(before)
