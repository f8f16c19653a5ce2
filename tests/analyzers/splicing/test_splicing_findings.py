"""What it says of pictures whose history is known."""

from io import BytesIO

import cv2
import numpy as np
import pytest
from analyzers.conftest import Judge
from analyzers.splicing.drawn import Box, Pixels, encoded, scene, share_of, tiles, with_copy, with_part
from PIL import Image

from assay.sdk import INCONCLUSIVE, NO_FINDINGS

COPIED: Box = (60, 60, 110, 90)
PASTED: Box = (250, 120, 160, 150)
MIDDLE = (330, 250)


@pytest.mark.parametrize("quality", [0, 85], ids=["PNG", "JPEG"])
def test_nothing_is_found_in_an_unedited_picture(judge: Judge, quality: int) -> None:
    finding = judge(encoded(scene(), quality))
    assert finding.label == NO_FINDINGS
    assert finding.score is not None
    assert 0.2 < finding.score < 0.5
    assert "does not prove" in finding.evidence[-1].text


def test_tiles_that_are_alike_are_no_copies(judge: Judge) -> None:
    finding = judge(encoded(tiles(side=52), 90))
    assert finding.label == NO_FINDINGS
    assert finding.details["copies"], "they are found, and then turned down: each has noise of its own"
    assert all(copy["weight"] < 0 for copy in finding.details["copies"])


def test_tiles_whose_period_looks_like_enlarging_are_no_copies_either(judge: Judge) -> None:
    finding = judge(encoded(tiles(side=48), 90))
    assert (finding.label, finding.score) == (INCONCLUSIVE, None)


@pytest.mark.parametrize(
    ("quality", "turn", "scale"),
    [(0, 0.0, 1.0), (85, 0.0, 1.0), (90, 30.0, 1.0), (90, 0.0, 1.3), (0, -20.0, 0.8)],
    ids=["shifted", "shifted, JPEG", "turned", "scaled", "turned and scaled"],
)
def test_a_copied_part_is_found_with_its_turn_and_scale(judge: Judge, quality: int, turn: float, scale: float) -> None:
    finding = judge(encoded(with_copy(scene(), COPIED, MIDDLE, turn, scale), quality))
    assert finding.label == "manipulated"
    assert finding.score is not None
    assert finding.score >= 0.9
    copy = finding.details["copies"][0]
    places = [tuple(copy["source"]), tuple(copy["target"])]
    original, other = sorted(places, key=lambda box: -share_of(box, COPIED))
    assert share_of(original, COPIED) > 0.6
    assert abs(other[0] + other[2] / 2 - MIDDLE[0]) < 12
    assert abs(other[1] + other[3] / 2 - MIDDLE[1]) < 12
    forth = original == places[0]
    assert copy["turn"] == pytest.approx(turn if forth else -turn, abs=1.5)
    assert copy["scale"] == pytest.approx(scale if forth else 1.0 / scale, rel=0.03)


def test_the_evidence_names_both_places_and_how_they_differ(judge: Judge) -> None:
    finding = judge(encoded(with_copy(scene(), COPIED, MIDDLE, 30.0), 90))
    evidence = finding.evidence[0]
    assert "turned by 30° clockwise" in evidence.text
    assert "appears again" in evidence.text
    assert evidence.where is not None
    assert share_of(tuple(evidence.where["same_as"]), COPIED) > 0.6
    assert evidence.weight > 2.0


def test_a_copied_part_without_any_structure_is_found_by_its_noise(judge: Judge) -> None:
    light = np.linspace(90, 180, 480)[None, :, None]
    sky = np.clip(light + np.random.default_rng(3).normal(0, 3, (360, 480, 3)), 0, 255).astype(np.uint8)
    assert judge(encoded(sky)).label == NO_FINDINGS
    finding = judge(encoded(with_copy(sky, COPIED, MIDDLE)))
    assert finding.label == "manipulated"
    assert share_of(tuple(finding.details["copies"][0]["source"]), COPIED) > 0.5


def test_a_part_with_another_history_is_found(judge: Judge) -> None:
    with Image.open(BytesIO(encoded(scene(5), 50))) as image:
        donor = np.asarray(image.convert("RGB"))
    finding = judge(encoded(with_part(scene(), donor, PASTED)))
    assert finding.label == "manipulated"
    evidence = finding.evidence[0]
    assert "other noise" in evidence.text
    assert evidence.where is not None
    assert share_of(tuple(evidence.where["box"]), PASTED) > 0.6


def test_the_same_part_without_a_history_of_its_own_is_not(judge: Judge) -> None:
    finding = judge(encoded(with_part(scene(), scene(5), PASTED)))
    assert finding.label == NO_FINDINGS
    assert finding.details["noise"]["weight"] < 0


def test_a_picture_without_noise_says_nothing(judge: Judge) -> None:
    finding = judge(encoded(np.full((300, 300, 3), 100, np.uint8)))
    assert (finding.label, finding.score) == (INCONCLUSIVE, None)
    assert 0.0 < finding.details["raw_score"] < 0.5
    assert "almost no noise" in finding.evidence[0].text


def test_boxes_are_in_the_upright_frame(judge: Judge) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the stored picture is turned clockwise for looking
    stored = np.rot90(with_copy(scene(), COPIED, MIDDLE), 1)
    finding = judge(encoded(np.ascontiguousarray(stored), 90, exif=exif))
    assert (finding.details["width"], finding.details["height"]) == (480, 360)
    copy = finding.details["copies"][0]
    assert max(share_of(tuple(copy[place]), COPIED) for place in ("source", "target")) > 0.6


def test_the_border_of_a_screenshot_is_no_foreign_part(judge: Judge) -> None:
    screen = np.full((540, 700, 3), 240, np.uint8)
    screen[90:450, 110:590] = scene()
    finding = judge(encoded(screen))
    assert finding.label == NO_FINDINGS
    assert finding.details["noise"]["noisy"] < 0.8


def screenshot(pixels: Pixels, by: float) -> tuple[Pixels, tuple[int, int]]:
    """Enlarged, with flat borders; and where its upper left corner came to lie."""
    shown = cv2.resize(pixels, None, fx=by, fy=by, interpolation=cv2.INTER_LINEAR)
    screen = np.full((720, 1280, 3), 240, np.uint8)
    left, top = (1280 - shown.shape[1]) // 2, (720 - shown.shape[0]) // 2
    screen[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    return screen, (left, top)


def test_a_copied_part_is_found_in_an_enlarging_screenshot(judge: Judge) -> None:
    screen, (left, top) = screenshot(with_copy(scene(), COPIED, MIDDLE), 1.9)
    finding = judge(encoded(screen))
    assert finding.label == "manipulated"
    x, y, wide, tall = COPIED
    shown = round(left + 1.9 * x), round(top + 1.9 * y), round(1.9 * wide), round(1.9 * tall)
    copy = finding.details["copies"][0]
    assert max(share_of(tuple(copy[place]), shown) for place in ("source", "target")) > 0.6


@pytest.mark.parametrize("history", [0, 50], ids=["unedited", "with a foreign part"])
def test_of_an_enlarged_picture_without_copies_nothing_is_said(judge: Judge, history: int) -> None:
    pixels = scene()
    if history:
        with Image.open(BytesIO(encoded(scene(5), history))) as image:
            pixels = with_part(pixels, np.asarray(image.convert("RGB")), PASTED)
    finding = judge(encoded(screenshot(pixels, 1.9)[0]))
    assert (finding.label, finding.score) == (INCONCLUSIVE, None)
    assert "enlarged" in finding.evidence[0].text


def test_smooth_parts_of_a_strongly_compressed_picture_are_no_copies(judge: Judge) -> None:
    """A JPEG leaves few patterns there, which come again at whole blocks' distance."""
    light = np.linspace(60, 90, 480)[None, :, None] + np.linspace(0, 12, 360)[:, None, None]
    wall = np.clip(light + np.random.default_rng(5).normal(0, 1.2, (360, 480, 1)), 0, 255).astype(np.uint8)
    wall = np.repeat(wall, 3, axis=2)
    wall[200:, :200] = scene(9)[200:, :200]
    finding = judge(encoded(wall, 60))
    assert finding.label != "manipulated"
    assert all(copy["weight"] < 0 for copy in finding.details["copies"])
