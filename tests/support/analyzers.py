"""Analyzers of a stranger's package, installed for a process as pip would have done it."""

import os
from pathlib import Path

PACKAGES = Path(__file__).parents[1] / "inference" / "packages"
ENTRY_POINTS = """\
[assay.analyzers]
brightness = assay_test_analyzers.brightness:Brightness
hostile = assay_test_analyzers.hostile:Hostile
without-weights = assay_test_analyzers.hostile:WithoutWeights
wrong-weights = assay_test_analyzers.weighty:WrongWeights
pulled = assay_test_analyzers.weighty:Pulled
not-importable = assay_test_analyzers.nowhere:Nothing
gated = assay_test_analyzers.hostile:Gated
unzipping = assay_test_analyzers.unzipping:Unzipping
counting = assay_test_analyzers.unzipping:Counting
"""


def install(folder: Path) -> str:
    """Install them into a folder; returns the PYTHONPATH that finds them."""
    info = folder / "assay_test_analyzers-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: assay-test-analyzers\nVersion: 1.0.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return os.pathsep.join([str(folder), str(PACKAGES)])
