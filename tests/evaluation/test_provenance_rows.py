"""What becomes of thumbnails and marks, in pictures made here."""

from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from analyzers.provenance.exif_blocks import exif, jpeg, scene, small
from PIL import Image

from assay.inference.analyzers.provenance import Provenance, ProvenanceSettings
from assay.inference.analyzers.provenance.metadata import read_metadata
from evaluation import provenance_marks
from evaluation.figures import HIGHER, LOWER, direction_of
from evaluation.provenance import judge_file
from evaluation.provenance_marks import Examine, rows_of_marks
from evaluation.provenance_thumbnails import rows_of_thumbnails, with_thumbnail


@pytest.fixture
def examine() -> Examine:
    return partial(judge_file, Provenance(ProvenanceSettings()))


@pytest.fixture
def cameras(tmp_path: Path) -> list[Path]:
    """Three with their own thumbnails, one with another's, one without."""
    made = []
    for number in range(5):
        thumbnail = None if number == 4 else small(scene(9 if number == 3 else number))
        made.append(tmp_path / f"{number}.jpg")
        made[-1].write_bytes(jpeg(scene(number), exif=exif({0x010F: "Canon"}, thumbnail=thumbnail)))
    return made


def test_swapped_thumbnails_are_told_from_their_own(cameras: list[Path], examine: Examine, tmp_path: Path) -> None:
    rows = {each["name"]: each for each in rows_of_thumbnails(examine, cameras, tmp_path)}
    own, other = rows["provenance/thumbnail/own"], rows["provenance/thumbnail/other"]
    assert (own["value"], own["n"], own["aim"]) == (0.25, 4, 0.0)
    assert (other["value"], other["n"]) == (1.0, 4)


def test_only_the_thumbnail_is_another(cameras: list[Path], tmp_path: Path) -> None:
    before, thumbnail = cameras[0].read_bytes(), small(scene(7))
    path = tmp_path / "swapped.jpg"
    path.write_bytes(with_thumbnail(before, thumbnail))
    found = read_metadata(path)
    assert (found.thumbnail, found.camera) == (thumbnail, None)
    with Image.open(path) as after, Image.open(BytesIO(before)) as first:
        assert np.array_equal(np.asarray(after), np.asarray(first))


def test_marks_are_counted_by_message_and_change(
    examine: Examine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, side in enumerate((520, 540, 200)):
        (folder / f"{number}.jpg").write_bytes(jpeg(scene(number, side, side), 97))
    monkeypatch.setattr(provenance_marks, "MESSAGES", {"sdxl": "Stable Diffusion XL"})
    changes = {name: provenance_marks.CHANGES[name] for name in ("none", "crop")}
    monkeypatch.setattr(provenance_marks, "CHANGES", changes)
    rows = {each["name"]: each for each in rows_of_marks(examine, folder, tmp_path)}
    assert {name: (each["value"], each["n"]) for name, each in rows.items()} == {
        "provenance/watermarks/sdxl/none": (1.0, 2),
        "provenance/watermarks/sdxl/crop": (0.0, 2),
    }


def test_more_found_is_better_and_more_made_up_is_worse() -> None:
    assert direction_of("provenance/watermarks/sdxl/jpeg95") == HIGHER
    assert direction_of("provenance/thumbnail/other") == HIGHER
    assert direction_of("provenance/thumbnail/own") == direction_of("provenance/unmarked/marks") == LOWER
    assert direction_of("provenance/all/images_per_second") is None
