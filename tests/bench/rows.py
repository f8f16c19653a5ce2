"""Rows of figures: printed as a table, kept in bench.json."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

COLUMNS = ("name", "value", "unit", "baseline", "ratio", "aim", "n")


@dataclass(frozen=True, slots=True)
class Aim:
    """What is hoped for: of the ratio where there is a baseline, else of the value."""

    sense: Literal["at least", "at most"]
    value: float

    def is_met(self, figure: float) -> bool:
        return figure >= self.value if self.sense == "at least" else figure <= self.value


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `ratio` is value over baseline; `note` is what is wrong with it, for the table only."""

    name: str
    value: float | None
    unit: str
    n: int
    baseline: float | None = None
    aim: Aim | None = None
    note: str = ""
    failed: bool = False

    @property
    def ratio(self) -> float | None:
        if self.value is None or not self.baseline:
            return None
        return self.value / self.baseline

    @property
    def outcome(self) -> str:
        """A word for the table."""
        if self.failed:
            return f"FAILED: {self.note}"
        if self.value is None:
            return f"not measured: {self.note}"
        figure = self.value if self.ratio is None else self.ratio
        met = "" if self.aim is None else "ok" if self.aim.is_met(figure) else "MISSES ITS AIM"
        return " ".join(part for part in (met, self.note) if part)

    def as_json(self) -> dict[str, Any]:
        """As DESIGN.md 6 has it."""
        return {
            "name": self.name,
            "value": _rounded(self.value),
            "unit": self.unit,
            "baseline": _rounded(self.baseline),
            "ratio": _rounded(self.ratio),
            "aim": None if self.aim is None else self.aim.value,
            "n": self.n,
        }


def show(rows: Sequence[Row]) -> None:
    """Print the rows as a table."""
    lines: list[tuple[str, ...]] = [(*COLUMNS, "")]
    for row in rows:
        cells = row.as_json()
        aim = "" if row.aim is None else f"{'≥' if row.aim.sense == 'at least' else '≤'} {row.aim.value:g}"
        texts = ["" if cells[name] is None else str(cells[name]) for name in COLUMNS]
        texts[COLUMNS.index("aim")] = aim
        lines.append((*texts, row.outcome))
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS) + 1)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def keep(rows: Sequence[Row], path: Path) -> None:
    """Write the rows, in one step; those of other names that the file has stay."""
    new = {row.name: row.as_json() for row in rows}
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    kept = [new.pop(each["name"], each) for each in old]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps([*kept, *new.values()], indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
