"""Analyzers whose end the proof knows in advance: one reads texts, and dies of a certain one."""

import os
import signal
import time
from collections.abc import Sequence
from typing import ClassVar

from assay.sdk import Analyzer, AnalyzerManifest, Finding, Media

POISON = "This file kills the worker that examines it."
WORK_S = 0.02


class _Reader(Analyzer[str]):
    def prepare(self, media: Media) -> str:
        return media.path.read_text(encoding="utf-8")

    def infer(self, batch: Sequence[str]) -> list[Finding]:
        time.sleep(WORK_S)
        return [Finding("no_findings", "long", min(len(each), 1000) / 1000, 0.5) for each in batch]


def _manifest(name: str) -> AnalyzerManifest:
    return AnalyzerManifest(
        name=name,
        version="1.0.0",
        title="Length of a text",
        description="For the chaos proof: how long a text is.",
        media_types=("text/plain",),
        claims=("long",),
        labels=("long", "no_findings"),
        domain="Texts that the chaos proof makes",
        sources=("tests/chaos",),
    )


class Sturdy(_Reader):
    """Survives everything."""

    manifest: ClassVar[AnalyzerManifest] = _manifest("chaos-sturdy")


class Fragile(_Reader):
    """Takes its worker along when it meets POISON: not the child that reads files, the worker itself."""

    manifest: ClassVar[AnalyzerManifest] = _manifest("chaos-fragile")

    def infer(self, batch: Sequence[str]) -> list[Finding]:
        if any(POISON in each for each in batch):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().infer(batch)
