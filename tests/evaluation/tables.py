"""The tables that are printed: all figures, worsened copies, and what real photos are called."""

from collections.abc import Sequence
from typing import Any

from evaluation.figures import HIGHER, direction_of
from evaluation.measuring import ALL_REAL
from evaluation.rows import CONDITION, Row

COLUMNS = ("name", "value", "interval", "unit", "baseline", "ratio", "aim", "", "n")
REAL_COLUMNS = ("real photos of all sets", "false_alarms", "interval", "aim", "", "coverage", "interval", "n")

Cells = tuple[str, ...]


def show(rows: Sequence[Row]) -> None:
    """Print all figures, with the aims and whether they are met; worsened copies; and the real photos."""
    tables = (
        [COLUMNS, *(_line(each) for each in rows if CONDITION not in each["name"])],
        _of_worsened(rows),
        _of_real(rows),
    )
    for number, cells in enumerate(table for table in tables if len(table) > 1):
        if number:
            print()
        _print(cells)


def outcome(figure: Row) -> str:
    """`met` or `missed`; nothing without an aim. `open`: the interval has both sides of the aim.

    An aim of 0 or 1 is never open: no interval lies beyond it.
    """
    aim, value, direction = figure["aim"], figure["value"], direction_of(figure["name"])
    if aim is None or value is None or direction is None:
        return ""
    low, high = figure["interval"] or (value, value)
    if direction == HIGHER:
        met, is_open = value >= aim, low < aim <= high
    else:
        met, is_open = value <= aim, low <= aim < high
    return ("met" if met else "missed") + (", open" if is_open and 0 < aim < 1 else "")


def _line(figure: Row) -> Cells:
    return tuple(_text(figure[column]) if column else outcome(figure) for column in COLUMNS)


def _of_worsened(rows: Sequence[Row]) -> list[Cells]:
    """A line for each set and condition."""
    lines: dict[str, dict[str, str]] = {}
    for each in rows:
        if CONDITION in each["name"] and not _is_of_real(each):
            name, figure = each["name"].rsplit("/", 1)
            interval = f" ({_text(each['interval'])})" if each["interval"] else ""
            lines.setdefault(name, {"n": "0"})[figure] = f"{each['value']:.3f}{interval}"
            lines[name]["n"] = str(max(int(lines[name]["n"]), each["n"]))
    figures = list(dict.fromkeys(figure for each in lines.values() for figure in each if figure != "n"))
    header = ("worsened copies", *figures, "n")
    return [header, *((name, *(each.get(figure, "") for figure in header[1:])) for name, each in lines.items())]


def _of_real(rows: Sequence[Row]) -> list[Cells]:
    """What each analyzer, and the report, calls real photos, as they are and worsened; and its price in coverage."""
    lines: dict[str, dict[str, Row]] = {}
    for each in filter(_is_of_real, rows):
        name, figure = each["name"].rsplit("/", 1)
        lines.setdefault(name.replace(f"/{ALL_REAL}", ""), {})[figure] = each
    cells: list[Cells] = [REAL_COLUMNS]
    for name, figures in sorted(lines.items(), key=lambda line: line[0].split(CONDITION)[0]):
        alarms, coverage = figures["false_alarms"], figures["coverage"]
        said = (_text(alarms["value"]), _text(alarms["interval"]), _text(alarms["aim"]), outcome(alarms))
        cells.append((name, *said, _text(coverage["value"]), _text(coverage["interval"]), _text(alarms["n"])))
    return cells


def _is_of_real(figure: Row) -> bool:
    return bool(figure["name"].split("/")[1].split(CONDITION)[0] == ALL_REAL)


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
