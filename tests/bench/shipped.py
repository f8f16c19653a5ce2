"""Analyzers that Assay comes with, to be measured beside a bare loop."""

from pathlib import Path
from typing import Any, ClassVar

from assay.inference.analyzers.synthetic_image import SyntheticImage, SyntheticImageSettings
from assay.inference.models import ModelStore, sha256_of
from assay.sdk import Analyzer, AnalyzerManifest, NoSettings
from bench.analyzers import KINDS

UNDRAWN = "bench-synthetic-image"


class Undrawn(SyntheticImage):
    """`synthetic-image` up to its verdict, which is all that a bare loop does: without the heat map that follows."""

    manifest: ClassVar[AnalyzerManifest] = SyntheticImage.manifest.model_copy(update={"name": UNDRAWN})
    explain = Analyzer.explain


def made(name: str) -> Analyzer[Any]:
    """An analyzer of the benchmark by its name, with the weights that lie in its package. It is not loaded."""
    analyzer = Undrawn(SyntheticImageSettings()) if name == UNDRAWN else KINDS[name](NoSettings())
    analyzer.weights = ModelStore(Path(), sha256_of).find_all(analyzer.manifest)
    return analyzer
