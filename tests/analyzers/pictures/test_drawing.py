"""Drawings over pictures."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from assay.inference.pictures import LONGEST_SIDE, Marked, draw, shrunk


def seen(png: bytes) -> np.ndarray:
    with Image.open(BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def test_heat_is_where_it_was_given() -> None:
    heat = np.zeros((10, 20), np.float32)
    heat[2:5, 10:15] = 1.0
    drawn = seen(draw(np.full((100, 200), 120, np.uint8), heat=heat))
    warmth = drawn[..., 0] - drawn[..., 2]
    assert warmth[25:45, 105:145].min() > 60
    warmth[10:60, 90:160] = 0
    assert warmth.max() == 0


def test_heat_can_cover_a_part() -> None:
    drawn = seen(draw(np.full((100, 200), 120, np.uint8), heat=np.ones((3, 3)), heat_box=(50, 20, 100, 40)))
    warmth = drawn[..., 0] - drawn[..., 2]
    assert warmth[20:60, 50:150].min() > 60
    assert warmth.sum() == warmth[20:60, 50:150].sum()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_turn_with_the_picture(orientation: int) -> None:
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[20:40, 30:90] = (0, 0, 255)
    drawn = seen(draw(pixels, boxes=[Marked((30, 20, 60, 20))], orientation=orientation))
    yellow, blue = (drawn == (255, 230, 0)).all(-1), (drawn == (0, 0, 255)).all(-1)
    assert drawn.shape == ((100, 200, 3) if orientation < 5 else (200, 100, 3))
    rows, columns = np.nonzero(yellow)
    wide, tall = int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1
    assert (wide, tall) == ((60, 20) if orientation < 5 else (20, 60))
    assert blue.sum() == 54 * 14
    inside = blue[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert inside.sum() == blue.sum()


def test_drawings_of_large_pictures_are_small_and_words_are_drawn() -> None:
    pixels = np.full((3000, 5000, 3), 90, np.uint8)
    plain = seen(draw(pixels, boxes=[Marked((1000, 1000, 2000, 1000))]))
    worded = seen(draw(pixels, boxes=[Marked((1000, 1000, 2000, 1000), "0.97")]))
    assert plain.shape == worded.shape == (614, LONGEST_SIDE, 3)
    assert 0 < (plain != worded).any(-1).sum() < 2000


@pytest.mark.parametrize("shape", [(5000, 333), (700, 4100, 3), (40, 50, 3)])
def test_shrinking_averages(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(3).integers(0, 255, shape, np.uint8)
    small = shrunk(pixels, 100)
    assert max(small.shape[:2]) == min(100, max(shape[:2]))
    assert abs(small.mean() - pixels.mean()) < 1.0
