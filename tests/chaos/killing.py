"""SIGKILL for one process after the other, of each kind in turn."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import psutil

APPEAR_S = 60.0

Matches = Callable[[list[str]], bool]


def _service(name: str) -> Matches:
    return lambda words: f"assay.{name}.main" in words


KINDS: dict[str, Matches] = {
    "upload": _service("upload"),
    "inference": _service("inference"),
    "results": _service("results"),
    "notify": _service("notify"),
    "kafka": lambda words: "kafka.Kafka" in words,
    "s3": lambda words: (
        any(word.endswith("/weed") or word.endswith("weed-linux") for word in words[:1])
        or (len(words) > 1 and words[1] == "server" and "weed" in words[0])
    ),
    # The postmaster alone: those that it forks have another title.
    "postgres": lambda words: bool(words) and words[0].endswith("/postgres") and "-D" in words,
}


class Killer:
    """Kills what runs under one supervisor, which starts it again."""

    def __init__(self, supervisor: int, *, every_s: float) -> None:
        """every_s: seconds between two kills."""
        self._supervisor = psutil.Process(supervisor)
        self._every_s = every_s
        self.kills: Counter[str] = Counter()

    async def run(self, rounds: int) -> None:
        """Kill one of each kind, `rounds` times. Raises RuntimeError where a kind does not come back."""
        for _ in range(rounds):
            for kind in KINDS:
                await asyncio.sleep(self._every_s)
                process = await self._running(kind)
                with suppress(psutil.NoSuchProcess):
                    process.kill()
                    self.kills[kind] += 1
                    print(f"  killed {kind} ({process.pid})", flush=True)

    async def _running(self, kind: str) -> psutil.Process:
        until = time.monotonic() + APPEAR_S
        while time.monotonic() < until:
            for process in self._supervisor.children(recursive=True):
                with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    if process.status() != psutil.STATUS_ZOMBIE and KINDS[kind](process.cmdline()):
                        return process
            await asyncio.sleep(0.2)
        raise RuntimeError(f"no {kind} runs {APPEAR_S:.0f} s after it was killed")
