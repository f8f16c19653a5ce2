"""The frame of `make eval`, on a small evaluation folder made here."""

import json
from pathlib import Path

import pytest
from analyzers.jpeg_forensics.drawn import encoded, photo

from evaluation import pictures, sets
from evaluation.__main__ import main
from evaluation.analyzers import Evaluated
from evaluation.jpeg_forensics import evaluate_jpeg_forensics
from evaluation.photoholmes import VARIABLE, baseline
from evaluation.rows import row, share


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for number, name in enumerate([*sets.REAL, *sets.EDITED]):
        folder = root / name
        folder.mkdir(parents=True)
        for seed in range(2):
            (folder / f"{seed}.jpg").write_bytes(encoded(photo(50 + 2 * number + seed, 160, 208), 97))
    return root


def test_rows_say_value_baseline_and_ratio() -> None:
    assert row("a", 0.6, "F1", n=3, baseline=0.4) == {
        "name": "a",
        "value": 0.6,
        "interval": None,
        "unit": "F1",
        "baseline": 0.4,
        "ratio": 1.5,
        "aim": None,
        "n": 3,
    }
    assert share("b", 0, 0)["value"] is None


@pytest.mark.timeout(400)
def test_an_evaluation_gives_rows_on_any_pictures(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(pictures, "QUALITIES", (70, 92))
    monkeypatch.setattr(sets, "REAL", dict(list(sets.REAL.items())[:2]))
    rows = {entry["name"]: entry for entry in evaluate_jpeg_forensics(data)}
    alarms = rows["jpeg-forensics/resaved/false_alarms"]
    assert (alarms["value"], alarms["n"], alarms["aim"]) == (0.0, 8, 0.01)
    assert rows["jpeg-forensics/splices_png/recall"]["n"] == 4
    assert rows["jpeg-forensics/splices_png/recall"]["value"] > 0.7
    assert rows["jpeg-forensics/splices_png/iou"]["value"] > 0.5


def test_splices_are_the_same_in_every_run(data: Path) -> None:
    def make() -> pictures.Splice:
        host, donor = pictures.photos(data / "images/sd_vs_photo/real")
        return pictures.splice(host, donor, lossless=False)

    assert make().content == make().content


@pytest.mark.parametrize("arguments", [["nothing-like-it"], ["jpeg-forensics"]])
def test_what_is_missing_is_named_and_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path))
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "There is no evaluation" in said or ("images/" in said and "github.com" in said)
    assert not (tmp_path / "home").exists()


def test_without_a_data_folder_it_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ASSAY_DATA", raising=False)
    assert main([]) == 2
    assert "ASSAY_DATA" in capsys.readouterr().err


def test_figures_are_kept(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_DATA", str(data))
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    more = Evaluated(more=lambda folder: [share(f"jpeg-forensics/{folder.name}/recall", 1, 4, aim=0.3)])
    monkeypatch.setitem(main.__globals__["EVALUATED"], "jpeg-forensics", more)
    assert main(["jpeg-forensics"]) == 2  # not all sets are there
    kept = {row["name"]: row for row in json.loads((tmp_path / "home" / "eval.json").read_text(encoding="utf-8"))}
    assert kept["jpeg-forensics/data/recall"] == {
        "name": "jpeg-forensics/data/recall",
        "value": 0.25,
        "interval": [0.0063, 0.8059],
        "unit": "share",
        "baseline": None,
        "ratio": None,
        "aim": 0.3,
        "n": 4,
    }
    assert kept["jpeg-forensics/composite_faces/false_alarms"]["n"] == 2


def test_a_checkout_without_photoholmes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(FileNotFoundError, match="photoholmes"):
        baseline()
