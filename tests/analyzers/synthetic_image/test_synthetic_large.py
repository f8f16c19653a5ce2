"""Large pictures within the memory of a child and of a worker."""

from pathlib import Path

import numpy as np
import pytest
from analyzers.pictures.large import large_jpeg, limited
from analyzers.synthetic_image.drawn import photo

IMPORTS = """
from pathlib import Path
from assay.inference.analyzers.synthetic_image import SyntheticImage, SyntheticImageSettings
from assay.sdk import packed_weights
analyzer = SyntheticImage(SyntheticImageSettings())
"""
PREPARE = """
view = analyzer.prepare(media)
Path({view!r}).write_bytes(pickle.dumps(view, 5))
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
view = pickle.loads(Path({view!r}).read_bytes())
(finding,) = analyzer.infer([view])
assert all(len(each.data) > 100 for each in analyzer.explain(view, finding))
print(finding.label, *view.size, len(view.crops))
"""


def examined(folder: Path, width: int, height: int, megabytes: int) -> str:
    """Prepare a picture, the same strip again and again, in one limited process and judge it in another."""
    path, view = folder / "large.jpg", folder / "view"
    strip = photo(3, 128, 1000)
    path.write_bytes(large_jpeg(np.tile(strip, (1, width // 1000, 1)), height, quality=85))
    limited(path, megabytes, PREPARE.format(view=str(view)), IMPORTS)
    return limited(path, megabytes, JUDGE.format(view=str(view)), LOAD)


@pytest.mark.proof
def test_200_megapixels_are_examined_within_2_gib(tmp_path: Path) -> None:
    said = examined(tmp_path, 20_000, 10_000, 2048)
    assert "20000 10000 32" in said
    assert int(said.split("peak MB")[1]) < 2048  # with all that was imported
