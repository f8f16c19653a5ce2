"""What the engine relies on: batches, determinism, devices, artifacts."""

import pickle
from importlib.metadata import entry_points
from io import BytesIO

import numpy as np
import pytest
import torch
from analyzers.conftest import Prepare
from analyzers.jpeg_forensics.drawn import PASTED, encoded, pasted, photo
from PIL import Image

from assay.inference.analyzers.jpeg_forensics import JpegForensics, JpegForensicsSettings
from assay.inference.analyzers.jpeg_forensics.decoding import Picture
from assay.inference.analyzers.jpeg_forensics.examination import examine
from assay.inference.analyzers.jpeg_forensics.judging import _groups
from assay.inference.analyzers.jpeg_forensics.votes import grid_votes
from assay.inference.analyzers.jpeg_forensics.zeros import by_runs, by_tiles
from assay.inference.pictures import LONGEST_SIDE


@pytest.fixture
def batch(prepare: Prepare) -> list[Picture]:
    """Different shapes, formats, tables and grids, mixed."""
    return [
        prepare(content)
        for content in (
            encoded(pasted(), 90),
            encoded(photo(7, 128, 200), 75),
            encoded(photo(8), 60),
            encoded(pasted(80)),
            encoded(photo(9, 128, 200)),
            encoded(pasted(66), 85),
        )
    ]


def loaded() -> JpegForensics:
    """A new one, on the CPU."""
    analyzer = JpegForensics(JpegForensicsSettings())
    analyzer.load("cpu")
    return analyzer


def test_it_is_registered() -> None:
    (entry,) = entry_points(group="assay.analyzers", name="jpeg-forensics")
    assert entry.load() is JpegForensics


def test_a_batch_gives_what_each_picture_gives_alone(analyzer: JpegForensics, batch: list[Picture]) -> None:
    assert analyzer.infer(batch) == [analyzer.infer([picture])[0] for picture in batch]


def test_an_empty_batch_gives_nothing(analyzer: JpegForensics) -> None:
    assert analyzer.infer([]) == []


def test_findings_repeat_exactly(batch: list[Picture]) -> None:
    first, second = loaded(), loaded()
    assert first.infer(batch) == second.infer(batch) == first.infer(batch)


def test_labels_and_claims_are_those_of_the_manifest(analyzer: JpegForensics, batch: list[Picture]) -> None:
    for finding in analyzer.infer(batch):
        assert finding.label in analyzer.manifest.labels
        assert finding.claim in analyzer.manifest.claims
        assert finding.evidence


def test_prepared_pictures_can_be_sent_to_another_process(analyzer: JpegForensics, batch: list[Picture]) -> None:
    assert analyzer.infer(pickle.loads(pickle.dumps(batch))) == analyzer.infer(batch)  # noqa: S301


@pytest.mark.parametrize("remembered", [True, False], ids=["just judged", "measured again"])
def test_the_heat_map_is_warm_where_the_paste_is(prepare: Prepare, remembered: bool) -> None:
    analyzer = loaded()
    picture = prepare(encoded(pasted(), 90))
    finding = analyzer.infer([picture])[0]
    rendering = next(iter((analyzer if remembered else loaded()).explain(picture, finding)))
    assert (rendering.name, rendering.media_type) == ("heatmap.png", "image/png")
    with Image.open(BytesIO(rendering.data)) as image:
        image.verify()
    with Image.open(BytesIO(rendering.data)) as image:
        assert (image.format, image.size) == ("PNG", (320, 256))
        pixels = np.asarray(image.convert("RGB")).astype(int)
    warmth = pixels[..., 0] - pixels[..., 2]
    outside = np.ones(warmth.shape, bool)
    outside[80:224, 104:264] = False
    assert warmth[PASTED].mean() > 60
    assert abs(warmth[outside].mean()) < 10


def test_the_heat_map_of_a_large_picture_is_made_smaller(analyzer: JpegForensics, prepare: Prepare) -> None:
    picture = prepare(encoded(photo(3, 900, 1500), 85))
    rendering = next(iter(analyzer.explain(picture, analyzer.infer([picture])[0])))
    with Image.open(BytesIO(rendering.data)) as image:
        assert image.size == (LONGEST_SIDE, 614)


def test_both_ways_of_counting_zeros_give_the_same(prepare: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    luma = torch.tensor(prepare(encoded(photo(2), 75)).luma)
    whole = by_tiles(luma[None])[0].numpy()
    assert np.array_equal(by_runs(luma.numpy()), whole)
    monkeypatch.setattr("assay.inference.analyzers.jpeg_forensics.zeros._RUN", 997)
    monkeypatch.setattr("assay.inference.analyzers.jpeg_forensics.zeros._TILE", (17, 40))
    assert np.array_equal(by_runs(luma.numpy()), whole)
    assert np.array_equal(by_tiles(luma[None])[0].numpy(), whole)


def test_findings_do_not_depend_on_bands(
    analyzer: JpegForensics, batch: list[Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = analyzer.infer(batch)
    for module, band in (("votes", 1), ("double", 1), ("grids", 3)):
        monkeypatch.setattr(f"assay.inference.analyzers.jpeg_forensics.{module}._BAND", band)
    assert analyzer.infer(batch) == whole


def test_pictures_of_one_shape_go_through_a_device_together_within_a_limit(batch: list[Picture]) -> None:
    shapes = [picture.luma.shape for picture in batch]
    assert _groups(batch, torch.device("cpu")) == [[index] for index in range(len(batch))]
    together = _groups(batch, torch.device("cuda"))
    assert [sorted({shapes[index] for index in group}) for group in together] == [[(256, 320)], [(128, 200)]]
    assert sorted(index for group in together for index in group) == list(range(len(batch)))
    assert examine([batch[0], batch[2]], torch.device("cpu"))[1].grids.main == 0


if torch.cuda.is_available():

    def test_a_gpu_finds_exactly_what_a_cpu_finds(batch: list[Picture]) -> None:
        cpu, gpu = (JpegForensics(JpegForensicsSettings()) for _ in range(2))
        cpu.load("cpu")
        gpu.load("cuda")
        assert gpu.infer(batch) == cpu.infer(batch)

    def test_a_gpu_votes_exactly_as_a_cpu(batch: list[Picture]) -> None:
        for picture in batch:
            luma = torch.tensor(picture.luma)[None]
            assert torch.equal(grid_votes(luma.cuda()).cpu(), grid_votes(luma))
            one, other = (examine([picture], torch.device(name))[0] for name in ("cpu", "cuda"))
            assert one.double is None or np.array_equal(one.double.evidence, other.double.evidence)
