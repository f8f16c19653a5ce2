"""One probability from six answers, and where its constants come from."""

from collections.abc import Sequence

import numpy as np
import pytest

from assay.inference.analyzers.face_manipulation.calibration.fitting import SWAPS, fit
from assay.inference.analyzers.face_manipulation.calibration.measuring import Measured, on_first_half
from assay.inference.analyzers.face_manipulation.calibration.table import rows
from assay.inference.analyzers.face_manipulation.fusion import MANIPULATED_FROM, fused, of_several

SURE, OPPOSED = 100.0, -100.0


def test_no_answer_says_that_a_face_is_real() -> None:
    """One manipulation in three is of a kind that the networks do not know."""
    assert 0.25 <= fused(np.full(6, OPPOSED)) < 0.4


def test_each_voter_raises_the_probability_and_the_last_has_no_vote() -> None:
    middle = np.array([1.0, 2.0, 0.0, -3.0, 0.0, 0.0])
    raised = [fused(middle + each) - fused(middle) for each in np.eye(6)]
    assert all(more > 0.0 for more in raised[:5])
    assert raised[5] == 0.0


def test_networks_that_know_re_enactment_accuse_without_those_that_know_swaps() -> None:
    assert fused(np.array([-3.0, -8.0, 3.0, 3.0, 1.2, 0.7])) >= MANIPULATED_FROM
    assert fused(np.full(6, SURE)) < 0.995


def test_more_faces_make_a_picture_less_suspect() -> None:
    assert of_several([0.95]) == pytest.approx(0.95)
    assert of_several([0.25, 0.25, 0.25]) == pytest.approx(0.25)
    assert 0.25 < of_several([0.95, 0.25, 0.25]) < 0.95


def measured(seed: int) -> Sequence[Measured]:
    """Two sources of real faces, one of which looks more like fakes, and swaps."""
    chance = np.random.default_rng(seed)
    spread = np.array([2.0, 3.0, 1.5, 2.5, 0.3, 0.3])
    found = []
    for source, manipulated, shift in (("plain", False, 0.0), ("soft", False, 1.0), (SWAPS, True, 6.0)):
        middle = np.array([-2.0, -5.0, -2.0, -5.0, -0.7, 0.0]) + shift * np.array([1.0, 2.0, 0.0, 0.0, 0.0, 0.0])
        for number in range(600):
            answers = chance.normal(middle, spread)
            worse = () if manipulated else tuple((answers + 0.3).tolist())
            found.append(Measured(source, manipulated, f"{source}/{number}", tuple(answers.tolist()), worse))
    return found


def test_what_is_fitted_finds_swaps_and_accuses_hardly_any_real_face() -> None:
    faces = measured(1)
    first = [each for each in faces if on_first_half(each.group)]
    second = [each for each in faces if not on_first_half(each.group)]
    assert 0.4 < len(first) / len(faces) < 0.6
    constants = fit(first)
    fake = [fused(np.array(each.answers), constants) for each in second if each.manipulated]
    real = [fused(np.array(each.answers), constants) for each in second if not each.manipulated]
    assert np.median(fake) > 0.85
    assert np.median(real) < 0.5
    assert np.mean(np.array(real) >= MANIPULATED_FROM) <= 0.01
    told = list(rows(constants, second))
    assert [line.split()[0] for line in told[1:]] == [SWAPS, "plain", "plain,", "soft", "soft,", "all"]
