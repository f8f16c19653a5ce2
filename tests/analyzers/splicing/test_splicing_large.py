"""Large pictures within the memory of a child and of a worker."""

from pathlib import Path

import pytest
from analyzers.pictures.large import examined
from analyzers.splicing.drawn import scene

MADE = """
from assay.inference.analyzers.splicing import Splicing, SplicingSettings
analyzer = Splicing(SplicingSettings())
"""
TOLD = 'finding.details["width"], finding.details["height"]'


def test_what_a_picture_takes_beyond_its_own_size_does_not_grow(tmp_path: Path) -> None:
    said = examined(tmp_path, scene(3, 1000, 128), (4000, 3000), 420, made=MADE, told=TOLD)
    assert "4000 3000" in said


@pytest.mark.proof
def test_200_megapixels_are_examined_within_2_gib(tmp_path: Path) -> None:
    said = examined(tmp_path, scene(3, 1000, 128), (20_000, 10_000), 2048, made=MADE, told=TOLD)
    assert "20000 10000" in said
    assert int(said.split("peak MB")[1]) < 2048  # with all that was imported
