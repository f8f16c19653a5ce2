"""What keeps the training honest, and that it learns."""

import re
from collections import defaultdict
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from assay.inference.analyzers.synthetic_image.crops import SIDE
from assay.inference.analyzers.synthetic_image.statistics import Statistics
from assay.inference.analyzers.synthetic_image.training import chain
from assay.inference.analyzers.synthetic_image.training.aligning import align
from assay.inference.analyzers.synthetic_image.training.autoencoders import KINDS, reconstruct
from assay.inference.analyzers.synthetic_image.training.building import writing
from assay.inference.analyzers.synthetic_image.training.calibrating import platt
from assay.inference.analyzers.synthetic_image.training.chain import Passed
from assay.inference.analyzers.synthetic_image.training.examples import Examples, read_rows, weights_of
from assay.inference.analyzers.synthetic_image.training.fitting import fit, scores_of
from assay.inference.analyzers.synthetic_image.training.fitting_portraits import averaged
from assay.inference.analyzers.synthetic_image.training.fitting_traces import Crops, fit_traces, traces_of
from assay.inference.analyzers.synthetic_image.training.listing import read_list
from assay.inference.analyzers.synthetic_image.training.measures import auc, by_picture, recall_at
from assay.inference.analyzers.synthetic_image.training.near_duplicates import Known, likeness
from assay.inference.analyzers.synthetic_image.training.portraying import SIDE as PORTRAIT_SIDE
from assay.inference.analyzers.synthetic_image.training.portraying import Portrait, drawn
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
    same = {"source": "a", "group": "a", "kind": "views", "width": "128", "height": "128", "jpeg": "0", "webp": "0"}
    rows = [{**same, "synthetic": str(index % 2), "sha256": str(index)} for index in range(96)]
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


def test_the_traces_are_learned_from_pixels(tmp_path: Path) -> None:
    with writing(tmp_path, "train-views") as written:
        for index in range(96):
            source = SOURCES[index % 2]
            untouched = Passed(SIDE, SIDE, scale=1.0, jpeg=0, webp=0, screenshot=0, noise=0.0, blur=0.0)
            written.add(crop(index, enlarged=source.synthetic), str(index), source, untouched)
    crops, (rows, weights) = Crops(tmp_path, "train"), read_rows(tmp_path, "train")
    made = np.array([float(row["synthetic"]) for row in rows], np.float32)
    seen = np.arange(96) < 64
    network = fit_traces(crops, rows, weights * seen, seed=1, steps=12)
    assert auc(traces_of(network, crops, np.flatnonzero(~seen)), made[~seen]) > 0.98


def test_size_and_compression_tell_nothing_of_what_is_drawn() -> None:
    """Made pictures are mostly small and compressed, photos mostly large and not."""
    chance, rows = np.random.default_rng(5), []
    for index in range(4000):
        made = index % 2 == 1
        small, compressed = (bool(chance.random() < (0.8 if made else 0.3)) for _ in range(2))
        side = str(150 if small else 700)
        facts = {"width": side, "height": side, "jpeg": "80" if compressed else "0", "webp": "0"}
        rows.append({"kind": "ways", "source": f"{index % 6}", "synthetic": str(int(made)), **facts})
    weights = weights_of(rows)
    for fact, value in (("width", "150"), ("jpeg", "80")):
        shares = [
            sum(w for w, row in zip(weights, rows, strict=True) if row["synthetic"] == mark and row[fact] == value)
            for mark in "01"
        ]
        assert shares[0] == pytest.approx(shares[1], rel=1e-6)


def test_a_photo_and_its_reconstruction_go_the_same_way(tmp_path: Path) -> None:
    """Where nothing was reconstructed, both halves stay the same."""
    region = np.asarray(picture(3, 256))
    photo = next(source for source in SOURCES if source.split == "train" and not source.synthetic)
    np.save(tmp_path / "regions-0.npy", np.stack([np.stack((region, region))] * 6))
    lines = [f"{index:064x},{photo.name},taesd" for index in range(6)]
    (tmp_path / "regions-0.csv").write_text("\n".join(("sha256,source,autoencoder", *lines)))
    align(tmp_path, 0)
    rows, _ = read_rows(tmp_path, "train")
    crops = np.load(tmp_path / "crops-train-aligned-0.npy")
    assert [row["synthetic"] for row in rows] == ["0", "1"] * 6
    assert {row["group"] for row in rows} == {photo.group}
    assert np.array_equal(crops[0::2], crops[1::2])
    assert len({each.tobytes() for each in crops[0::2]}) > 1


def test_an_autoencoder_needs_its_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from torch import uint8, zeros

    monkeypatch.setenv("ASSAY_TRAINING_AUTOENCODERS", str(tmp_path))
    with pytest.raises(SystemExit, match="taesd_encoder"):
        reconstruct(KINDS[0], zeros(1, 3, 32, 32, dtype=uint8), seed=0)


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


@pytest.mark.parametrize("made", [0, 1])
def test_a_portrait_gives_squares_of_one_size_by_its_seed(made: int) -> None:
    forms = tuple(np.asarray(picture(side, side)) for side in (300, 280, 340))
    portrait = Portrait("drawn", "0" * 64, made, forms)
    squares = [drawn(portrait, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert [square.shape for square in squares] == [(PORTRAIT_SIDE, PORTRAIT_SIDE, 3)] * 3
    assert np.array_equal(squares[0], squares[1])
    assert not np.array_equal(squares[0], squares[2])


def test_weights_of_two_rounds_are_averaged() -> None:
    mean = averaged({"a": torch.tensor([1.0]), "n": torch.tensor(3)}, {"a": torch.tensor([3.0]), "n": torch.tensor(3)})
    assert (float(mean["a"]), int(mean["n"])) == (2.0, 3)
