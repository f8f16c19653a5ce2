"""Rows of figures: how they are made and kept."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.intervals import Interval, of_share

Row = dict[str, Any]

CONDITION = "+"
"""Between the name of a set and of what was done to its pictures."""


def row(
    name: str,
    value: float | None,
    unit: str,
    *,
    n: int,
    interval: Interval | None = None,
    baseline: float | None = None,
    aim: float | None = None,
) -> Row:
    """One figure.

    name: `<analyzer>/<set>/<figure>`.  interval: 95 %.  baseline: what a reference gives on the same data; `ratio` is
    value over baseline.  aim: see `figures.DIRECTIONS` for whether at least or at most.
    """
    ratio = round(value / baseline, 4) if value is not None and baseline and baseline > 0 else None
    return {
        "name": name,
        "value": _rounded(value),
        "interval": None if interval is None else [_rounded(interval.low), _rounded(interval.high)],
        "unit": unit,
        "baseline": _rounded(baseline),
        "ratio": ratio,
        "aim": aim,
        "n": n,
    }


def share(name: str, hits: int, n: int, *, baseline: float | None = None, aim: float | None = None) -> Row:
    """The share of `hits` among `n`, with the interval of Clopper and Pearson."""
    interval = of_share(hits, n) if n else None
    return row(name, hits / n if n else None, "share", n=n, interval=interval, baseline=baseline, aim=aim)


def write(rows: Sequence[Row], path: Path) -> None:
    """Keep the rows as JSON, replacing an earlier file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(list(rows), indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
