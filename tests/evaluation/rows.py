"""Rows of figures: how they are made, printed and kept."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.intervals import Interval, of_share

Row = dict[str, Any]

CONDITION = "+"
"""Between the name of a set and of what was done to its pictures."""

COLUMNS = ("name", "value", "interval", "unit", "baseline", "ratio", "aim", "n")


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


def show(rows: Sequence[Row]) -> None:
    """Print the rows as a table, those of worsened pictures as another: a line for each set and condition."""
    plain = [each for each in rows if CONDITION not in each["name"]]
    _print([COLUMNS, *(tuple(_text(each[column]) for column in COLUMNS) for each in plain)])
    lines: dict[str, dict[str, str]] = {}
    for each in rows:
        if CONDITION in each["name"]:
            name, figure = each["name"].rsplit("/", 1)
            interval = f" ({_text(each['interval'])})" if each["interval"] else ""
            lines.setdefault(name, {"n": "0"})[figure] = f"{each['value']:.3f}{interval}"
            lines[name]["n"] = str(max(int(lines[name]["n"]), each["n"]))
    if lines:
        figures = list(dict.fromkeys(figure for each in lines.values() for figure in each if figure != "n"))
        header = ("worsened copies", *figures, "n")
        print()
        _print([header, *((name, *(each.get(figure, "") for figure in header[1:])) for name, each in lines.items())])


def _print(cells: Sequence[Sequence[str]]) -> None:
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " to ".join(f"{limit:.3f}" for limit in value)
    return str(value)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
