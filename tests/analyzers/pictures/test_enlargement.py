"""What was enlarged is told from what was not, whatever else happened to it; borders are left out."""

from io import BytesIO

import numpy as np
import pytest
from analyzers.splicing.drawn import Pixels, encoded, scene
from PIL import Image

from assay.inference.pictures import ENLARGED_FROM, inside_frame, periodicity


def luma(pixels: Pixels, quality: int = 0) -> Pixels:
    with Image.open(BytesIO(encoded(pixels, quality))) as image:
        return np.asarray(image.convert("L"))


def resized(pixels: Pixels, by: float, how: Image.Resampling) -> Pixels:
    with Image.fromarray(pixels) as image:
        return np.asarray(image.resize((round(image.width * by), round(image.height * by)), how))


@pytest.mark.parametrize("how", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
@pytest.mark.parametrize("by", [1.25, 1.7, 2.4, 3.0])
def test_enlarging_shows(by: float, how: Image.Resampling) -> None:
    assert periodicity(luma(resized(scene(), by, how))) >= ENLARGED_FROM


@pytest.mark.parametrize("quality", [0, 95, 75, 60])
@pytest.mark.parametrize("by", [0.5, 1.0])
def test_what_was_not_enlarged_does_not(by: float, quality: int) -> None:
    pixels = resized(scene(width=960, height=720), by, Image.Resampling.LANCZOS)
    assert periodicity(luma(pixels, quality)) < ENLARGED_FROM


def test_a_picture_that_is_flat_or_tiny_has_no_period() -> None:
    assert periodicity(np.full((300, 300), 7, np.uint8)) < ENLARGED_FROM
    assert periodicity(luma(scene(width=100, height=100))) == 0.0


@pytest.mark.parametrize("quality", [0, 75])
def test_flat_borders_are_left_out(quality: int) -> None:
    page = np.full((700, 900, 3), 240, np.uint8)
    page[:60] = 30  # the window's title
    page[120:480, 200:680] = scene()
    x, y, width, height = inside_frame(luma(page, quality), 128)
    assert 200 <= x <= 216 and 120 <= y <= 136
    assert 664 <= x + width <= 680 and 464 <= y + height <= 480


def test_a_picture_without_borders_stays_whole() -> None:
    assert inside_frame(luma(scene()), 128) == (0, 0, 480, 360)
    assert inside_frame(np.full((300, 400), 7, np.uint8), 128) == (0, 0, 400, 300)
