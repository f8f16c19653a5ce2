"""Analyzers whose weights do not lie in their package."""

import hashlib
from collections.abc import Sequence
from typing import ClassVar

from assay.sdk import Analyzer, AnalyzerManifest, Finding, Media, Weights

WEIGHTS = b"0.75"


def _manifest(name: str, file: str) -> AnalyzerManifest:
    return AnalyzerManifest(
        name=name,
        version="1.0.0",
        title=name,
        description="For tests.",
        media_types=("application/x-assay-test",),
        claims=("odd",),
        labels=("odd",),
        time_limit_s=20,
        domain="Files made by tests",
        weights=(
            Weights(name=file, sha256=hashlib.sha256(WEIGHTS).hexdigest(), source="this file", licence="Apache-2.0"),
        ),
    )


class Pulled(Analyzer[str]):
    """Its score is its weights."""

    manifest: ClassVar[AnalyzerManifest] = _manifest("pulled", "score.txt")

    def load(self, device: str) -> None:
        (path,) = self.weights.values()
        self.score = float(path.read_text())

    def prepare(self, media: Media) -> str:
        return " ".join(sorted(self.weights)) or "none"

    def infer(self, batch: Sequence[str]) -> list[Finding]:
        return [Finding("odd", "odd", self.score, 1.0, details={"weights in prepare": said}) for said in batch]


class WrongWeights(Pulled):
    manifest: ClassVar[AnalyzerManifest] = _manifest("wrong-weights", "other.txt")
