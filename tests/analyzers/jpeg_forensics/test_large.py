"""Large pictures within the memory of a child and of a worker."""

from pathlib import Path

import numpy as np
import pytest
from analyzers.jpeg_forensics.drawn import photo
from analyzers.pictures.large import large_jpeg, limited

FIXED = 64  # megabytes that do not grow with the picture: a drawing, the runs, what Python keeps

IMPORTS = """
from pathlib import Path
from assay.inference.analyzers.jpeg_forensics import JpegForensics, JpegForensicsSettings
analyzer = JpegForensics(JpegForensicsSettings())
"""
PREPARE = """
picture = analyzer.prepare(media)
with open({picture!r}, "wb") as stream:
    pickle.dump(picture, stream, 5)
"""
LOAD = (
    IMPORTS
    + """
import torch
torch.set_num_threads(1)
analyzer.load("cpu")
"""
)
JUDGE = """
with open({picture!r}, "rb") as stream:
    picture = pickle.load(stream)
(finding,) = analyzer.infer([picture])
drawings = list(analyzer.explain(picture, finding))
assert drawings and all(len(each.data) > 100 for each in drawings)
print(finding.label, finding.details["width"], finding.details["height"])
"""


def examined(folder: Path, width: int, height: int, megabytes: int) -> str:
    """Prepare a generated picture in one limited process and judge it in another."""
    path, picture = folder / "large.jpg", folder / "picture"
    strip = photo(3, 128, 1000)
    path.write_bytes(large_jpeg(np.tile(strip, (1, width // 1000, 1)), height, quality=85))
    limited(path, megabytes, PREPARE.format(picture=str(picture)), IMPORTS)
    return limited(path, megabytes, JUDGE.format(picture=str(picture)), LOAD)


def test_a_large_picture_takes_its_share_of_the_memory(tmp_path: Path) -> None:
    said = examined(tmp_path, 4000, 1000, 2048 // 50 + FIXED)
    assert "no_findings 4000 1000" in said


@pytest.mark.proof
def test_200_megapixels_are_examined_within_2_gib(tmp_path: Path) -> None:
    said = examined(tmp_path, 20_000, 10_000, 2048)
    assert "no_findings 20000 10000" in said
    print(said)
    assert int(said.split("peak MB")[1]) < 2048  # with all that was imported
