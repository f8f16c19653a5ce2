"""A worse figure cannot slip in, and noise is no worsening."""

import json
from pathlib import Path

import pytest

from evaluation.intervals import Interval
from evaluation.recorded import read, record, worse
from evaluation.rows import Row, row


def figures(auc: float, alarms: float, **more: float) -> list[Row]:
    return [
        row("a/set/auc", auc, "area", n=40, interval=Interval(auc - 0.05, min(1.0, auc + 0.05))),
        row("a/set/false_alarms", alarms, "share", n=40, interval=Interval(0.0, alarms + 0.09)),
        row("a/all/images_per_second", more.get("pace", 10.0), "1/s", n=40),
        row("a/set/iou", more.get("iou", 0.5), "IOU", n=40),
    ]


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "recorded.json"
    record(figures(0.9, 0.0), {"a": "0" * 64}, path)
    return path


@pytest.mark.parametrize(
    ("auc", "alarms", "more", "named"),
    [
        (0.86, 0.08, {"pace": 1.0}, set()),
        (0.84, 0.0, {}, {"a/set/auc"}),
        (1.0, 0.1, {}, {"a/set/false_alarms"}),
        (0.9, 0.0, {"iou": 0.479}, {"a/set/iou"}),
        (0.9, 0.0, {"iou": 0.481}, set()),
    ],
)
def test_beyond_its_interval_a_figure_is_worse(
    recorded: Path, auc: float, alarms: float, more: dict[str, float], named: set[str]
) -> None:
    assert {each.name for each in worse(figures(auc, alarms, **more), read(recorded), ["a"])} == named


def test_a_figure_that_is_gone_is_worse_where_its_analyzer_was_measured(recorded: Path) -> None:
    (gone,) = worse(figures(0.9, 0.0)[1:], read(recorded), ["a"])
    assert "not measured any more" in str(gone)
    assert worse([], read(recorded), ["b"]) == []


def test_recording_keeps_what_was_not_measured(recorded: Path) -> None:
    record([row("b/set/auc", 0.7, "area", n=4)], {"b": None}, recorded)
    kept = json.loads(recorded.read_text(encoding="utf-8"))
    assert kept["a/set/auc"] == {"value": 0.9, "interval": [0.85, 0.95], "n": 40, "weights_sha256": "0" * 64}
    assert kept["b/set/auc"] == {"value": 0.7, "interval": None, "n": 4, "weights_sha256": None}
    record(figures(0.8, 0.0)[:1], {"a": None}, recorded)
    assert {name for name in read(recorded) if name.startswith("a/")} == {"a/set/auc"}


def test_nothing_recorded_is_nothing_to_be_worse_than(tmp_path: Path) -> None:
    assert worse(figures(0.1, 1.0), read(tmp_path / "none"), ["a"]) == []
