"""Rows of figures: how they are made, printed and kept."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def row(
    name: str, value: float | None, unit: str, *, n: int, baseline: float | None = None, aim: float | None = None
) -> Row:
    """One figure. `baseline` is what a reference gives on the same data; `ratio` is value over baseline."""
    ratio = round(value / baseline, 4) if value is not None and baseline else None
    return {
        "name": name,
        "value": _rounded(value),
        "unit": unit,
        "baseline": _rounded(baseline),
        "ratio": ratio,
        "aim": aim,
        "n": n,
    }


def share(name: str, hits: int, n: int, *, baseline: float | None = None, aim: float | None = None) -> Row:
    """The share of `hits` among `n`."""
    return row(name, hits / n if n else None, "share", n=n, baseline=baseline, aim=aim)


def write(rows: Sequence[Row], path: Path) -> None:
    """Keep the rows as JSON, replacing an earlier file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(list(rows), indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def show(rows: Sequence[Row]) -> None:
    """Print the rows as a table."""
    header = ("name", "value", "unit", "baseline", "ratio", "aim", "n")
    cells = [header] + [tuple("" if row[column] is None else str(row[column]) for column in header) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(header))]
    for line in cells:
        name, *figures = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print(name, "  ".join(figures), sep="  ")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
