"""Ghosts and error levels: for the eye, and right all the same."""

from io import BytesIO

import numpy as np
import pytest
from analyzers.conftest import Prepare
from analyzers.jpeg_forensics.drawn import PASTED, decoded, encoded, photo
from PIL import Image

from assay.inference.analyzers.jpeg_forensics import JpegForensics
from assay.inference.analyzers.jpeg_forensics.seeing import QUALITIES, error_level_quality, error_levels, ghosts
from assay.inference.pictures import LONGEST_SIDE

CELLS = tuple(slice(span.start // 8, span.stop // 8) for span in PASTED)


def test_what_was_saved_at_a_quality_is_a_ghost_in_its_map(prepare: Prepare) -> None:
    canvas = photo(1)
    canvas[PASTED] = decoded(encoded(photo(1), 60))[PASTED]
    maps = ghosts(prepare(encoded(canvas, 95)), (0, 0))
    assert maps.shape == (len(QUALITIES), 32, 40)
    inside = np.zeros((32, 40), bool)
    inside[CELLS] = True
    contrast = [each[~inside].mean() - each[inside].mean() for each in maps]
    assert QUALITIES[int(np.argmax(contrast))] == 60
    assert max(contrast) > 0.1


def test_error_levels_are_what_saving_again_changes(prepare: Prepare) -> None:
    gray = photo(2)[..., 0]
    picture = prepare(encoded(gray))
    assert error_level_quality(picture) == 90
    again = np.array(Image.open(BytesIO(encoded(gray, 90)))).astype(float)
    change = ((again - gray) ** 2).reshape(32, 8, 40, 8).mean((1, 3)) ** 0.5
    # Saving rounds pixels, too, which adds a third of a level.
    assert np.abs(error_levels(picture, (0, 0)) - change).mean() < 0.1
    assert np.corrcoef(error_levels(picture, (0, 0)).ravel(), change.ravel())[0, 1] > 0.9


def test_error_levels_are_looked_at_below_the_quality_of_the_file(prepare: Prepare) -> None:
    assert [error_level_quality(prepare(encoded(photo(2), quality))) for quality in (20, 60, 90, 99)] == [
        40,
        55,
        85,
        90,
    ]


@pytest.mark.parametrize("shape", [(96, 2400), (160, 200), (2200, 80)])
def test_drawings_have_bounded_sizes_and_say_what_they_are(
    analyzer: JpegForensics, prepare: Prepare, shape: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = prepare(encoded(photo(5, *shape), 85, exif=exif))
    drawings = {each.name: each for each in analyzer.explain(picture, analyzer.infer([picture])[0])}
    assert set(drawings) == {"heatmap.png", "ghosts.png", "ela.png"}
    assert "prove nothing" in drawings["ela.png"].title
    sizes = {name: Image.open(BytesIO(each.data)).size for name, each in drawings.items()}
    assert all(max(sizes[name]) <= LONGEST_SIDE for name in ("heatmap.png", "ela.png"))
    assert sizes["ghosts.png"][0] <= LONGEST_SIDE
    assert sizes["ghosts.png"][1] <= LONGEST_SIDE
    for name in ("heatmap.png", "ela.png"):
        assert (sizes[name][0] > sizes[name][1]) == (shape[0] > shape[1])
