"""The report beside single analyzers: chosen on one half, told of the other."""

import numpy as np

from evaluation.fusing import conclusion, rows_of_fusion
from evaluation.given import judgement
from evaluation.judging import Judgement
from evaluation.rows import Row


def said(seed: int, spread: float, n: int = 60) -> list[Judgement]:
    """An analyzer's scores on 60 + 60 pictures: the smaller the spread, the better it is."""
    chance = np.random.default_rng(seed)
    found = []
    for index in range(2 * n):
        truth = index % 2 == 1
        raw = float(np.clip((0.7 if truth else 0.3) + chance.normal(0, spread), 0.02, 0.98))
        label = "synthetic" if raw > 0.5 else "no_findings"
        found.append(judgement(truth, raw, label, score=raw, source=str(index), name=f"{index}.jpg"))
    return found


def rows(first: list[Judgement], second: list[Judgement]) -> dict[str, Row]:
    judged = {"first": {"sg2_faces": first}, "second": {"sg2_faces": second}}
    claims = {"first": ("synthetic",), "second": ("synthetic",)}
    return {each["name"]: each for each in rows_of_fusion(judged, claims)}


def test_two_equals_together_are_better_than_either() -> None:
    found = rows(said(1, 0.3), said(2, 0.3))
    gain = found["fusion/sg2_faces/auc_gain"]
    assert gain["value"] > 0.03
    assert gain["interval"][0] > -0.02
    assert 40 < gain["n"] < 80


def test_the_best_is_the_one_of_the_other_half() -> None:
    found = rows(said(1, 0.1), said(2, 5.0))
    assert found["fusion/sg2_faces/auc_gain"]["unit"] == "over first"
    assert found["fusion/sg2_faces/auc"]["baseline"] > 0.95


def test_a_misleading_analyzer_makes_the_report_worse_and_that_is_said() -> None:
    sure_and_wrong = []
    for each in said(1, 0.1):
        truth = each.picture.truth
        label, score = ("no_findings", 0.02) if truth else ("synthetic", 0.98)
        sure_and_wrong.append(judgement(truth, score, label, score=score, source=each.picture.source))
    found = rows(said(1, 0.25), sure_and_wrong)
    assert found["fusion/sg2_faces/auc_gain"]["interval"][1] < 0
    said_of_it = conclusion(list(found.values()))
    assert said_of_it[0].startswith("WORSE: sg2_faces")
    assert "the worst set: sg2_faces" in said_of_it[-1]


def test_the_report_counts_false_alarms_like_an_analyzer() -> None:
    found = rows(said(1, 0.1), said(2, 0.1))
    assert found["fusion/all_real/false_alarms"]["value"] < 0.1
    assert found["fusion/sg2_faces/recall"]["value"] > 0.9
