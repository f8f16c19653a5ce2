"""The figures against values worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from evaluation.figures import (
    auc,
    average_precision,
    balanced_accuracy,
    ece,
    ece_by_chance,
    recall_at_1pct,
    rows_of,
    scored,
)
from evaluation.given import judgement
from evaluation.judging import Judgement
from evaluation.rows import Row


def by_name(rows: list[Row]) -> dict[str, Row]:
    return {each["name"].rsplit("/", 1)[1]: each for each in rows}


def judged(negatives: list[float], positives: list[float]) -> list[Judgement]:
    return [judgement(False, raw) for raw in negatives] + [judgement(True, raw) for raw in positives]


def test_ties_count_half_in_the_area() -> None:
    assert auc(scored(judged([0.1, 0.2], [0.2, 0.9]))) == 0.875
    assert auc(scored(judged([0.5, 0.5], [0.5]))) == 0.5
    assert math.isnan(auc(scored(judged([0.5], []))))


def test_average_precision_steps_at_each_positive() -> None:
    # At 0.8 half of the positives and nothing else; at 0.35 all of them and half of the negatives.
    some = scored(judged([0.1, 0.4], [0.35, 0.8]))
    assert average_precision(some) == pytest.approx(0.5 * 1 + 0.5 * (1 / 1.5))


def test_average_precision_does_not_hang_on_the_share_of_positives() -> None:
    few, many = judged([0.1, 0.4], [0.35, 0.8]), judged([0.1, 0.4], [0.35, 0.8] * 5)
    assert average_precision(scored(few)) == pytest.approx(average_precision(scored(many)))
    assert average_precision(scored(judged([0.5] * 9, [0.5]))) == pytest.approx(0.5)


def test_recall_at_one_percent_lets_one_of_a_hundred_pass() -> None:
    hundred = [index / 100 for index in range(100)]
    assert recall_at_1pct(scored(judged(hundred, [0.985, 0.97, 1.0, 0.2]))) == 0.5
    # Of 99 none may be above.
    assert recall_at_1pct(scored(judged(hundred[1:], [0.985, 0.99, 1.0, 0.2]))) == 0.25


def test_labels_decide_balanced_accuracy_and_abstaining_gives_a_half() -> None:
    silent = [judgement(truth, 0.9, "inconclusive") for truth in (False, True)]
    assert balanced_accuracy(scored(silent)) == 0.5
    accused = [judgement(True, 0.2, "synthetic"), judgement(True, 0.1, "manipulated"), judgement(False, 0.9)]
    assert balanced_accuracy(scored([*accused, judgement(False, 0.1, "synthetic")])) == 0.75


def test_calibration_error_is_the_distance_at_even_odds() -> None:
    # At 0.8 there are 4 of 5 true: right at even odds only because the classes are made to weigh the same.
    some = [judgement(True, 0.8, score=0.8) for _ in range(4)] + [judgement(False, 0.8, score=0.8)]
    some += [judgement(True, 0.2, score=0.2)] + [judgement(False, 0.2, score=0.2) for _ in range(4)]
    assert ece(scored(some)) == pytest.approx(0.0)
    wrong = [judgement(True, 0.2, score=0.2), judgement(False, 0.9, score=0.9)]
    assert ece(scored(wrong)) == pytest.approx((0.8 + 0.9) / 2)
    assert math.isnan(ece(scored([judgement(True, 0.5), judgement(False, 0.5)])))


def test_few_scores_are_apart_by_chance_alone() -> None:
    chance = np.random.default_rng(3)
    scores = [float(each) for each in chance.random(60)]
    few = scored([judgement(True, each, score=each) for each in scores[:6]])
    many = scored([judgement(True, each, score=each) for each in scores])
    assert ece_by_chance(few, "a") > ece_by_chance(many, "a") > 0.02


def test_silence_counts_in_the_area_and_against_coverage() -> None:
    some = [
        judgement(False, 0.1),
        judgement(True, 0.9, "inconclusive"),
        judgement(True, None, "not_applicable"),
        judgement(False, None, "failed"),
    ]
    rows = by_name(rows_of("a/b", some))
    assert (rows["auc"]["value"], rows["auc"]["n"]) == (1.0, 2)
    assert (rows["coverage"]["value"], rows["coverage"]["n"]) == (0.25, 4)
    assert (rows["recall"]["value"], rows["false_alarms"]["value"]) == (0.0, 0.0)
    assert "ece" not in rows


def test_what_is_rightly_said_of_another_claim_is_no_false_alarm() -> None:
    some = [judgement(True, 0.9, "synthetic", score=0.9), judgement(False, 0.8, "manipulated", claim="manipulated")]
    some += [judgement(False, 0.3)]
    assert by_name(rows_of("a/b", some))["false_alarms"]["value"] == 0.5
    of_one_claim = [replace(each, picture=replace(each.picture, claim="synthetic")) for each in some]
    rows = by_name(rows_of("a/b", of_one_claim))
    assert rows["false_alarms"]["value"] == 0.0
    assert (rows["auc"]["value"], rows["auc"]["n"]) == (1.0, 2)


def test_a_set_without_positives_has_false_alarms_and_coverage_only() -> None:
    some = [judgement(False, 0.9, "synthetic" if index == 0 else "no_findings") for index in range(22)]
    rows = by_name(rows_of("a/b", some))
    assert set(rows) == {"false_alarms", "coverage"}
    assert rows["false_alarms"]["value"] == pytest.approx(1 / 22, abs=1e-4)
    assert rows["false_alarms"]["interval"] == [0.0012, 0.2284]


def test_perfection_on_few_pictures_claims_little() -> None:
    row = by_name(rows_of("a/b", judged([0.1] * 9, [0.9] * 19)))["auc"]
    assert row["value"] == 1.0
    assert row["interval"] == [pytest.approx(0.025 ** (1 / 9), abs=1e-4), 1.0]
