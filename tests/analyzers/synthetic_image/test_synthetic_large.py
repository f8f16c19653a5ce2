"""Large pictures within the memory of a child and of a worker."""

from pathlib import Path

import pytest
from analyzers.pictures.large import examined
from analyzers.synthetic_image.drawn import photo

MADE = """
from assay.inference.analyzers.synthetic_image import SyntheticImage, SyntheticImageSettings
analyzer = SyntheticImage(SyntheticImageSettings())
"""


@pytest.mark.proof
def test_200_megapixels_are_examined_within_2_gib(tmp_path: Path) -> None:
    told = "*prepared.size, len(prepared.crops)"
    said = examined(tmp_path, photo(3, 128, 1000), (20_000, 10_000), 2048, made=MADE, told=told)
    assert "20000 10000 32" in said
    assert int(said.split("peak MB")[1]) < 2048  # with all that was imported
