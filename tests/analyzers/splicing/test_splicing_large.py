"""Large pictures within the memory of a child and of a worker."""

from pathlib import Path

import numpy as np
import pytest
from analyzers.pictures.large import large_jpeg, limited
from analyzers.splicing.drawn import scene

IMPORTS = """
from pathlib import Path
from assay.inference.analyzers.splicing import Splicing, SplicingSettings
from assay.sdk.packed import packed_weights
analyzer = Splicing(SplicingSettings())
"""
PREPARE = """
picture = analyzer.prepare(media)
Path({picture!r}).write_bytes(pickle.dumps(picture, 5))
"""
LOAD = (
    IMPORTS
    + """
import torch
torch.set_num_threads(1)
analyzer.weights = packed_weights(analyzer.manifest)
analyzer.load("cpu")
"""
)
JUDGE = """
picture = pickle.loads(Path({picture!r}).read_bytes())
(finding,) = analyzer.infer([picture])
drawings = list(analyzer.explain(picture, finding))
assert all(len(each.data) > 100 for each in drawings)
print(finding.label, finding.details["width"], finding.details["height"])
"""


def examined(folder: Path, width: int, height: int, megabytes: int) -> str:
    """Prepare a picture, the same strip again and again, in one limited process and judge it in another."""
    path, picture = folder / "large.jpg", folder / "picture"
    strip = scene(3, 1000, 128)
    path.write_bytes(large_jpeg(np.tile(strip, (1, width // 1000, 1)), height, quality=85))
    limited(path, megabytes, PREPARE.format(picture=str(picture)), IMPORTS)
    return limited(path, megabytes, JUDGE.format(picture=str(picture)), LOAD)


def test_what_a_picture_takes_beyond_its_own_size_does_not_grow(tmp_path: Path) -> None:
    said = examined(tmp_path, 4000, 3000, 420)
    assert "4000 3000" in said


@pytest.mark.proof
def test_200_megapixels_are_examined_within_2_gib(tmp_path: Path) -> None:
    said = examined(tmp_path, 20_000, 10_000, 2048)
    assert "20000 10000" in said
    assert int(said.split("peak MB")[1]) < 2048  # with all that was imported
