"""What keeps the training honest, and that it learns."""

import re
from collections import defaultdict
from io import BytesIO

import numpy as np
from PIL import Image

from assay.inference.analyzers.synthetic_image.crops import SIDE
from assay.inference.analyzers.synthetic_image.statistics import Statistics
from assay.inference.analyzers.synthetic_image.training import chain
from assay.inference.analyzers.synthetic_image.training.calibrating import platt
from assay.inference.analyzers.synthetic_image.training.examples import Examples
from assay.inference.analyzers.synthetic_image.training.fitting import fit, scores_of
from assay.inference.analyzers.synthetic_image.training.listing import read_list
from assay.inference.analyzers.synthetic_image.training.measures import auc, by_picture, recall_at
from assay.inference.analyzers.synthetic_image.training.near_duplicates import Known, likeness
from assay.inference.analyzers.synthetic_image.training.sources import SOURCES


def picture(seed: int, side: int = 300) -> Image.Image:
    chance = np.random.default_rng(seed)
    small = chance.integers(0, 255, (9, 9, 3)).astype(np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def crop(seed: int, *, enlarged: bool) -> np.ndarray:
    """Noise of a camera's kind; enlarged: made at half the size and doubled, as generators do."""
    chance = np.random.default_rng(seed)
    side = SIDE // 2 if enlarged else SIDE
    pixels = np.clip(chance.normal(120, 14, (side, side, 3)), 0, 255).astype(np.uint8)
    image = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(image)


def test_no_group_stands_on_both_sides() -> None:
    splits = defaultdict(set)
    for source in SOURCES:
        splits[source.group].add(source.split)
    assert all(len(split) == 1 for split in splits.values())


def test_the_list_names_each_picture_once_and_as_its_source_says() -> None:
    listed = read_list()
    assert len({one.sha256 for one in listed}) == len(listed) > 8000
    known = {source.name: source for source in SOURCES}
    for one in listed:
        source = known[one.source]
        assert (one.repository, one.synthetic, one.split) == (source.repository, int(source.synthetic), source.split)
        assert source.paths.search(one.path)
        assert re.fullmatch("[0-9a-f]{64}", one.sha256)


def test_the_same_picture_is_known_after_shrinking_and_compression() -> None:
    known = Known()
    known.add(likeness(picture(1)), "one")
    buffer = BytesIO()
    picture(1).resize((140, 140)).save(buffer, "JPEG", quality=40)
    assert known.find(likeness(Image.open(buffer))) == "one"
    assert known.find(likeness(picture(2))) is None


def test_the_chain_is_the_same_for_the_same_seed_and_leaves_enough() -> None:
    for seed in range(25):
        first, facts = chain.pass_through(picture(seed), np.random.default_rng(seed), smallest=144, mild=False)
        again, same = chain.pass_through(picture(seed), np.random.default_rng(seed), smallest=144, mild=False)
        assert np.array_equal(np.asarray(first), np.asarray(again)) and facts == same
        assert min(first.size) >= 143 * 0.6
        assert (facts.width, facts.height) == first.size


def test_the_network_learns_what_enlarging_leaves() -> None:
    rows = [{"source": "a", "group": "a", "synthetic": str(index % 2), "sha256": str(index)} for index in range(96)]
    crops = np.stack([crop(index, enlarged=index % 2 == 1) for index in range(96)])
    statistics = Statistics()
    from torch import from_numpy, no_grad

    with no_grad():
        features = statistics(from_numpy(crops).permute(0, 3, 1, 2)).numpy()
    examples = Examples(features, rows)
    seen = np.arange(96) < 64
    network = fit(examples.where(seen), steps=25)
    scores = scores_of(network, examples.where(~seen))
    assert auc(scores, examples.where(~seen).synthetic) > 0.98


def test_statistics_do_not_depend_on_the_batch() -> None:
    from torch import equal, from_numpy

    crops = from_numpy(np.stack([crop(index, enlarged=False) for index in range(5)])).permute(0, 3, 1, 2)
    statistics = Statistics()
    joints = 17 * 125
    assert equal(
        statistics(crops)[:, :joints],
        statistics(crops[3:])[:, :joints].new_tensor(statistics(crops)[:, :joints].numpy()),
    )
    assert equal(statistics(crops)[3:, :joints], statistics(crops[3:])[:, :joints])


def test_measures_on_worked_examples() -> None:
    assert auc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]) == 0.75
    assert auc([1, 1, 1, 1], [0, 1, 0, 1]) == 0.5
    taken = list(np.linspace(0, 1, 200))
    assert recall_at([*taken, 2.0, 0.5], [0] * 200 + [1, 1]) == 0.5
    scores, rows = by_picture(np.array([1, 3, 5], np.float32), [{"sha256": "a"}, {"sha256": "a"}, {"sha256": "b"}])
    assert scores.tolist() == [2.0, 5.0] and [row["sha256"] for row in rows] == ["a", "b"]


def test_the_curve_finds_the_slope_that_made_the_labels() -> None:
    chance = np.random.default_rng(0)
    odds = chance.normal(0, 2, 20_000)
    made = (chance.random(len(odds)) < 1 / (1 + np.exp(-1.5 * odds))).astype(float)
    slope, intercept = platt(odds, made)
    assert abs(slope - 1.5) < 0.1 and abs(intercept) < 0.1
