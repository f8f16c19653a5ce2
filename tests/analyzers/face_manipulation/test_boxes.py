"""Boxes, windows and squares."""

import numpy as np
import pytest

from assay.inference.analyzers.face_manipulation.boxes import blended, overlaps, sides, strongest
from assay.inference.analyzers.face_manipulation.pyramid import MINIMUM_FACE, WINDOW, levels, square, windows


def test_overlap_is_the_shared_part_of_both() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [3, 3, 3, 3]])
    found = overlaps(boxes[:1], boxes)[0]
    assert found == pytest.approx([1.0, 50 / 150, 0.0, 0.0])
    assert sides(boxes) == pytest.approx([10, 10, 10, 0])


def test_of_boxes_on_one_face_the_surest_stays() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [40, 0, 50, 10], [41, 0, 51, 10], [80, 0, 90, 10]])
    scores = np.array([0.7, 0.9, 0.8, 0.8, 0.6])
    assert strongest(boxes, scores, 0.3, 10).tolist() == [1, 2, 4]
    assert strongest(boxes, scores, 0.3, 2).tolist() == [1, 2]
    assert strongest(boxes[:0], scores[:0], 0.3, 2).tolist() == []


def test_blending_weighs_boxes_by_their_scores() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [2, 0, 12, 10], [50, 0, 60, 10]])
    merged, scores = blended(boxes, np.array([0.9, 0.3, 0.5]), 0.3)
    assert merged.tolist() == [pytest.approx([0.5, 0, 10.5, 10]), pytest.approx([50, 0, 60, 10])]
    assert scores.tolist() == [0.9, 0.5]


@pytest.mark.parametrize("size", [(64, 64), (300, 300), (720, 1280), (4000, 3000), (12000, 1000)])
def test_every_face_has_a_size_that_is_easy_to_see(size: tuple[int, int]) -> None:
    """From the least to one that fills the picture, it is 16 to 170 pixels high somewhere and inside a window."""
    scales = levels(*size, WINDOW)
    for face in np.geomspace(MINIMUM_FACE, min(size), 20):
        assert any(16 <= face * scale <= 170 for scale in scales), f"a face of {face:.0f} pixels"


def test_windows_cover_the_picture_and_know_where_they_are() -> None:
    """A white spot is in a window of every size, and its place there leads back to it."""
    pixels = np.zeros((900, 1400, 3), np.uint8)
    pixels[700:724, 1100:1124] = 255
    seen = {}
    for window in windows(pixels, WINDOW):
        rows, columns = np.nonzero(window.pixels[..., 0] > 180)
        if len(rows) and window.pixels.shape == (240, 320, 3):
            x, y = window.left + (columns.mean() + 0.5) / window.scale, window.top + (rows.mean() + 0.5) / window.scale
            assert (x, y) == pytest.approx((1112, 712), abs=1.0 / window.scale)
            seen[round(window.scale, 3)] = True
    assert len(seen) == len(levels(1400, 900, WINDOW))


def test_a_square_at_the_edge_is_filled_up() -> None:
    pixels = np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)
    inside = square(pixels, (30, 20), 16, 16)
    assert (inside.left, inside.top, inside.scale) == (22, 12, 1.0)
    assert np.array_equal(inside.pixels, pixels[12:28, 22:38])
    gray = square(pixels, (0, 0), 16, 16, gray=True).pixels
    assert (gray[:8] == 127).all() and (gray[:, :8] == 127).all()
    assert np.array_equal(gray[8:, 8:], pixels[:8, :8])
    edge = square(pixels, (59, 39), 16, 16).pixels
    assert (edge[-1, -1] == pixels[-1, -1]).all() and (edge[-1, 0] == pixels[-1, 51]).all()
