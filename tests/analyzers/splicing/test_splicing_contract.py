"""What the engine relies on: batches, determinism, devices, artifacts."""

import pickle
from importlib.metadata import entry_points
from io import BytesIO

import numpy as np
import pytest
import torch
from analyzers.conftest import Prepare
from analyzers.splicing.conftest import loaded
from analyzers.splicing.drawn import encoded, scene, with_copy
from PIL import Image

from assay.inference.analyzers.splicing import Splicing
from assay.inference.analyzers.splicing.preparing import Prepared
from assay.inference.analyzers.splicing.residual.traces import PATTERNS, cell_side, count_patterns

COPY = encoded(with_copy(scene(1), (60, 60, 110, 90), (330, 250)), 90)


@pytest.fixture
def batch(prepare: Prepare) -> list[Prepared]:
    """One shape, different contents."""
    return [prepare(content) for content in (COPY, encoded(scene(4), 70), encoded(scene(8)))]


def test_it_is_registered() -> None:
    (entry,) = entry_points(group="assay.analyzers", name="splicing")
    assert entry.load() is Splicing


def test_a_batch_gives_what_each_picture_gives_alone(analyzer: Splicing, batch: list[Prepared]) -> None:
    assert analyzer.infer(batch) == [analyzer.infer([picture])[0] for picture in batch]


def test_findings_repeat_exactly(analyzer: Splicing, batch: list[Prepared]) -> None:
    again = pickle.loads(pickle.dumps(batch))  # noqa: S301 - as they reach the worker
    assert loaded().infer(again) == analyzer.infer(batch)


def test_the_search_repeats_exactly(prepare: Prepare) -> None:
    first, second = prepare(COPY).search, prepare(COPY).search
    assert len(first.copies) == len(second.copies) > 0
    for one, other in zip(first.copies, second.copies, strict=True):
        assert np.array_equal(one.matrix, other.matrix)
        assert np.array_equal(one.target, other.target)


def test_the_drawings_show_what_was_found(analyzer: Splicing, prepare: Prepare) -> None:
    picture = prepare(COPY)
    finding = analyzer.infer([picture])[0]
    drawn = {each.name: np.asarray(Image.open(BytesIO(each.data))) for each in loaded().explain(picture, finding)}
    assert set(drawn) == {"heatmap.png", "copies.png", "mask.png"}
    mask = drawn["mask.png"] > 127
    assert mask.shape == (360, 480)
    both = np.zeros_like(mask)
    both[60:150, 60:170] = both[205:295, 275:385] = True
    assert (mask & both).sum() / (mask | both).sum() > 0.6
    pairs = drawn["copies.png"].astype(int)
    tint = pairs[..., 0] - pairs[..., 2]
    reds, blues = tint[215:285, 285:375].mean(), tint[70:140, 70:160].mean()
    assert sorted([reds > 20, blues < -20, reds < -20, blues > 20]) == [False, False, True, True]


def test_an_unedited_picture_gets_a_heat_map_only(analyzer: Splicing, batch: list[Prepared]) -> None:
    assert [each.name for each in analyzer.explain(batch[1], analyzer.infer([batch[1]])[0])] == ["heatmap.png"]


def test_patterns_are_counted_where_they_are() -> None:
    """Against counting one pattern after the other, at a few places."""
    luma = scene(6, 96, 80)[..., 0]
    counts = count_patterns(torch.from_numpy(luma.copy()))
    assert counts.shape == (5, 6, 6, PATTERNS)
    levels = luma.astype(int)
    flat = count_patterns(torch.full((80, 96), 100, dtype=torch.uint8))
    assert int(flat[:, :, 0, 24].sum()) == int(flat[:, :, :3].sum())  # no residual, and nothing but that
    row = levels[0]
    residual = row[:-3] * -1 + 3 * row[1:-2] - 3 * row[2:-1] + row[3:]
    quantised = np.where(residual >= 2, 2, np.where(residual <= -2, 0, 1))
    still = sum(1 for k in range(16) if set(quantised[k : k + 4]) == {1})
    assert 0 <= still <= int(counts[0, 0, :3, 24].sum())
    assert int(counts[:, :, :3].sum()) == int(counts[:, :, 3:].sum())


def test_cells_grow_with_the_picture() -> None:
    sides = [cell_side(*size) for size in ((500, 700), (1200, 1600), (3000, 4000), (10_000, 20_000))]
    assert sides == [16, 32, 64, 128]


def test_of_large_pictures_a_part_of_the_rows_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    luma = torch.from_numpy(np.random.default_rng(1).integers(60, 200, (160, 240), dtype=np.uint8))
    each_pixel = 2 * 2  # along and across, of rows and of columns
    assert int(count_patterns(luma)[1, 1].sum()) == each_pixel * 16 * 16
    monkeypatch.setattr("assay.inference.analyzers.splicing.residual.traces._QUARTERED_ABOVE", 10_000)
    assert int(count_patterns(luma)[1, 1].sum()) == each_pixel * 16 * 4


if torch.cuda.is_available():

    def test_a_gpu_finds_exactly_what_a_cpu_finds(batch: list[Prepared]) -> None:
        assert loaded("cuda").infer(batch) == loaded("cpu").infer(batch)
