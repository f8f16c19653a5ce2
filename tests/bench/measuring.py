"""What the measures of Celery and Karton have in common. Each is a process of the comparison's environment:

    python -m bench.celery_measure backlog|lone JOB

JOB is a file of JSON, see `Order`. Prints what it found as JSON, on its last line.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

READY_KEY = "bench:ready"
PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True)
class Order:
    """What to measure."""

    analyzer: str
    concurrency: int
    prefetch: int
    threads: int
    files: tuple[tuple[str, int, str], ...]
    """S3 key, bytes, sha256."""

    @classmethod
    def read(cls, path: Path) -> "Order":
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**values, "files": tuple(tuple(each) for each in values["files"])})

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def wait_for(fact: Callable[[], Any], what: str, pause_s: float = 0.05) -> Any:
    """Wait until the fact is true and return it. Raises TimeoutError."""
    until = time.monotonic() + PATIENCE_S
    while not (found := fact()):
        if time.monotonic() > until:
            raise TimeoutError(what)
        time.sleep(pause_s)
    return found


def clocked(verdicts: list[dict[str, Any]]) -> dict[str, Any]:
    """From the first task's start to the last task's end, by the tasks' own clocks; and how many are no verdicts."""
    good = [each for each in verdicts if each.get("label")]
    seconds = max(each["ended"] for each in good) - min(each["began"] for each in good) if good else 0.0
    return {"files": len(verdicts), "failed": len(verdicts) - len(good), "seconds": seconds}


def main(backlog: Callable[[Order], dict[str, Any]], lone: Callable[[Order], dict[str, Any]]) -> None:
    """What the command line asks for."""
    _, what, path = sys.argv
    order = Order.read(Path(path))
    print(json.dumps((backlog if what == "backlog" else lone)(order)), flush=True)
