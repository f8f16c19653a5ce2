"""The last recorded figures, and which of today's are worse: so that a worse model cannot slip in.

A figure is worse where it lies beyond the recorded interval, on the wrong side. A figure without an interval is worse
where it lies more than 0.02 beyond what was recorded. How fast the analyzers were says more of the machine, and is
recorded for people only.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.figures import HIGHER, LOWER, direction_of
from evaluation.rows import Row

RECORDED = Path(__file__).with_name("recorded.json")
TOLERANCE = 0.02
_ROUNDING = 5e-5


@dataclass(frozen=True, slots=True)
class Worse:
    """A figure that is worse than it was. `now` is None where it is not measured any more."""

    name: str
    now: float | None
    recorded: float
    limit: float | None

    def __str__(self) -> str:
        if self.now is None:
            return f"{self.name}: was {self.recorded}, is not measured any more"
        return f"{self.name}: is {self.now}, was {self.recorded}, and beyond {self.limit} is worse"


def read(path: Path | None = None) -> dict[str, dict[str, Any]]:
    """What was recorded, by the figures' names; nothing where nothing was."""
    path = path or RECORDED
    if not path.is_file():
        return {}
    recorded: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return recorded


def record(rows: Sequence[Row], weights: Mapping[str, str | None], path: Path | None = None) -> None:
    """Record the rows of the analyzers that were measured; those of others stay.

    weights: the sha256 of the weights that judged, by analyzer.
    """
    path = path or RECORDED
    kept = {name: each for name, each in read(path).items() if analyzer_of(name) not in weights}
    for row in rows:
        if row["value"] is not None:
            name = row["name"]
            kept[name] = {
                "value": row["value"],
                "interval": row["interval"],
                "n": row["n"],
                "weights_sha256": weights.get(analyzer_of(name)),
            }
    partial = path.with_suffix(".partial")
    lines = (f"{json.dumps(name)}: {json.dumps(kept[name])}" for name in sorted(kept))
    partial.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    partial.replace(path)


def worse(rows: Sequence[Row], recorded: Mapping[str, Mapping[str, Any]], analyzers: Iterable[str]) -> list[Worse]:
    """The figures that are worse than recorded, or gone though their analyzer was measured.

    analyzers: those that were measured in full.
    """
    measured = {row["name"]: row["value"] for row in rows}
    found = []
    complete = set(analyzers)
    for name, was in sorted(recorded.items()):
        if direction_of(name) is None or analyzer_of(name) not in complete:
            continue
        now = measured.get(name)
        limit = limit_of(name, was)
        if now is None or _is_beyond(now, limit, direction_of(name)):
            found.append(Worse(name, now, was["value"], limit))
    return found


def limit_of(name: str, was: Mapping[str, Any]) -> float:
    """The worst value that still agrees with what was recorded."""
    low, high = was["interval"] or (was["value"] - TOLERANCE, was["value"] + TOLERANCE)
    return float(high if direction_of(name) == LOWER else low)


def analyzer_of(name: str) -> str:
    return name.split("/", 1)[0]


def _is_beyond(now: float, limit: float, direction: str | None) -> bool:
    return now < limit - _ROUNDING if direction == HIGHER else now > limit + _ROUNDING
