"""`make eval`, on a small evaluation folder made here."""

import hashlib
import json
from functools import cache
from pathlib import Path

import pytest
from analyzers.jpeg_forensics.drawn import encoded, pasted, photo
from PIL import Image

from evaluation import conditions, figures, pictures, recorded, sets
from evaluation.__main__ import main
from evaluation.analyzers import Evaluated
from evaluation.intervals import Interval
from evaluation.jpeg_forensics import evaluate_jpeg_forensics
from evaluation.photoholmes import VARIABLE, baseline
from evaluation.reserved import LIST
from evaluation.rows import Row, row, share
from evaluation.sets import SETS, Labelled


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two drawn photos in each folder; the positives of one set have something pasted into them."""
    root = tmp_path / "data"
    for number, each in enumerate(SETS):
        for name in filter(None, (each.negatives, each.positives)):
            folder = root / name
            folder.mkdir(parents=True)
            for seed in range(2):
                content = forged(seed) if name == "images/composite_faces/fake" else real(50 + 2 * number + seed)
                (folder / f"{seed}.jpg").write_bytes(content)
    return root


@cache
def real(seed: int) -> bytes:
    return encoded(photo(seed, 160, 208), 97)


@cache
def forged(seed: int) -> bytes:
    return encoded(pasted(60 + 4 * seed), 97)


@pytest.fixture
def home(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the results go. Only one analyzer is measured, in two conditions; what is recorded is not ours."""
    home = tmp_path / "home"
    monkeypatch.setenv("ASSAY_DATA", str(data))
    monkeypatch.setenv("ASSAY_HOME", str(home))
    monkeypatch.setenv("ASSAY_SANDBOX__PROCESSES", "1")
    for name in ("ONLY", "RECORD", "ROBUST", "PER_CLASS", "ROBUST_PER_CLASS", "ROBUST_REAL"):
        monkeypatch.delenv(name, raising=False)
    for name in set(conditions.CONDITIONS) - {"jpeg75", "screenshot"}:
        monkeypatch.delitem(conditions.CONDITIONS, name)
    monkeypatch.setattr(figures, "DRAWS", 50)
    monkeypatch.setattr(recorded, "RECORDED", tmp_path / "recorded.json")
    more = Evaluated(more="evaluation.test_evaluation:rows_of_its_own")
    monkeypatch.setitem(main.__globals__["EVALUATED"], "jpeg-forensics", more)
    return home


def rows_of_its_own(data: Path) -> list[Row]:
    return [share(f"jpeg-forensics/{data.name}/recall", 1, 4, aim=0.3)]


def kept(home: Path) -> dict[str, Row]:
    return {each["name"]: each for each in json.loads((home / "eval.json").read_text(encoding="utf-8"))}


@pytest.mark.timeout(400)
def test_an_analyzer_is_measured_and_compared_with_what_was_recorded(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    better = row("jpeg-forensics/casia2_jpg/auc", 0.95, "area", n=4, interval=Interval(0.9, 1.0))
    as_good = row("jpeg-forensics/composite_faces/auc", 0.95, "area", n=4, interval=Interval(0.9, 1.0))
    recorded.record([better, as_good], {"jpeg-forensics": None})
    assert main(["jpeg-forensics"]) == 1
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("WORSE"))
    assert "jpeg-forensics/casia2_jpg/auc" in line
    rows = kept(home)
    assert rows["jpeg-forensics/data/recall"] == {
        "name": "jpeg-forensics/data/recall",
        "value": 0.25,
        "interval": [0.0063, 0.8059],
        "unit": "share",
        "baseline": None,
        "ratio": None,
        "aim": 0.3,
        "n": 4,
    }
    assert rows["jpeg-forensics/composite_faces/auc"]["value"] == 1.0
    assert rows["jpeg-forensics/composite_faces/recall"]["value"] == 1.0
    assert rows["jpeg-forensics/sg2_faces/false_alarms"]["n"] == 2
    assert rows["jpeg-forensics/all_real/false_alarms"]["aim"] == 0.01
    assert rows["jpeg-forensics/all/failed"]["value"] == 0
    assert rows["jpeg-forensics/composite_faces+screenshot/coverage"]["n"] == 4
    # Real photos of sets of other claims are worsened, too; nothing else is.
    assert "jpeg-forensics/sg2_faces+screenshot/coverage" not in rows
    worsened, whole = (rows[f"jpeg-forensics/all_real{each}/false_alarms"] for each in ("+screenshot", ""))
    assert (worsened["aim"], worsened["n"], whole["n"]) == (0.01, 14, 14)
    assert "jpeg-forensics/declared/auc" not in rows
    with Image.open(home / "eval" / "jpeg-forensics__composite_faces.png") as curves:
        assert min(curves.size) >= 400


def test_a_reserved_picture_is_refused(home: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = data / "images/casia2_jpg/fake/1.jpg"
    (data / LIST).write_text(hashlib.sha256(path.read_bytes()).hexdigest() + "\n", encoding="utf-8")
    assert main(["jpeg-forensics"]) == 2
    assert "images/casia2_jpg/fake/1.jpg" in capsys.readouterr().err
    assert not home.exists()


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
def test_jpeg_forensics_has_rows_of_its_own_on_any_pictures(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_worsened_copies_are_the_same_in_every_run_and_differ_from_one_another(data: Path, tmp_path: Path) -> None:
    picture = Labelled(data / "images/sd_vs_photo/real/0.jpg", False, "0")
    made = {name: conditions.worsened([picture], name, tmp_path / name)[0].path for name in conditions.CONDITIONS}
    sizes = {}
    for name, path in made.items():
        with Image.open(path) as image:
            sizes[name] = image.size
        again = conditions.worsened([picture], name, tmp_path / "again")[0].path
        assert again.read_bytes() == path.read_bytes()
    assert len({path.read_bytes() for path in made.values()}) == len(conditions.CONDITIONS)
    assert (sizes["jpeg60"], sizes["half"], sizes["crop"]) == ((208, 160), (104, 80), (124, 96))
    assert sizes["screenshot"] == conditions.SCREEN


def test_crops_and_forgeries_of_one_picture_have_one_source() -> None:
    of = {each.name: each.of for each in SETS}
    assert of["dfdc_face_crops"]("test_real_amnzjdtmtg_0.jpg") == "amnzjdtmtg"
    assert of["dfdc_face_crops"]("test_fake_aavqiqgbzl_amnzjdtmtg_0.jpg") == "amnzjdtmtg"
    assert of["casia2_jpg"]("Au_ani_00009.jpg") == of["casia2_jpg"]("Tp_D_CNN_M_N_ani00009_arc00030_11853.jpg")


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


def test_without_its_weights_an_analyzer_is_left_out(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(main.__globals__["EVALUATED"], "not-installed", Evaluated())
    assert main(["not-installed"]) == 2
    assert "not-installed: no analyzer of this name is installed" in capsys.readouterr().err
    assert not home.exists()


@pytest.mark.parametrize(
    ("variable", "value"), [("ROBUST", "yes"), ("PER_CLASS", "0"), ("PER_CLASS", "few"), ("ROBUST_PER_CLASS", "-1")]
)
def test_a_variable_without_sense_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert main([]) == 2
    assert f"{variable}={value}" in capsys.readouterr().err


def test_a_part_is_not_recorded(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECORD", "1")
    monkeypatch.setenv("PER_CLASS", "5")
    assert main([]) == 2
    assert "PER_CLASS" in capsys.readouterr().err


def test_without_a_data_folder_it_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ASSAY_DATA", raising=False)
    assert main([]) == 2
    assert "ASSAY_DATA" in capsys.readouterr().err


def test_a_checkout_without_photoholmes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(FileNotFoundError, match="photoholmes"):
        baseline()
