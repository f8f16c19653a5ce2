"""Analyzers that do what files, or their authors, make analyzers do. The file's first word says what."""

import ctypes
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from assay.sdk import (
    Analyzer,
    AnalyzerError,
    AnalyzerManifest,
    DeviceMemoryError,
    Finding,
    Media,
    MediaUnreadableError,
    NotApplicableError,
    PermanentAnalyzerError,
    TransientAnalyzerError,
    Weights,
)

MEGABYTE = 1 << 20


class TooOddError(PermanentAnalyzerError):
    code = "too_odd"


def _manifest(name: str, time_limit_s: float, *weights: Weights) -> AnalyzerManifest:
    return AnalyzerManifest(
        name=name,
        version="1.0.0",
        title=name,
        description="For tests.",
        media_types=("application/x-assay-test",),
        claims=("odd",),
        labels=("odd", "no_findings"),
        time_limit_s=time_limit_s,
        weights=weights,
        domain="Files made by tests",
    )


def _finding(label: str = "no_findings", **details: Any) -> Finding:
    return Finding(label=label, claim="odd", score=0.25, confidence=0.5, details=details)


class Hostile(Analyzer[str]):
    manifest: ClassVar[AnalyzerManifest] = _manifest("hostile", 6)

    def prepare(self, media: Media) -> str:
        word = media.path.read_text().split()[0]
        match word:
            case "abort":
                os.abort()
            case "segfault":
                ctypes.string_at(0)
            case "exit":
                os._exit(3)
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                while True:
                    time.sleep(60)
            case "slow":
                time.sleep(0.8)
            case "bomb":
                return "x" * len(bytearray(900 * MEGABYTE))
            case "unreadable":
                raise MediaUnreadableError("It ends in the middle.")
            case "too-odd":
                raise TooOddError("It is too odd.")
            case "base-error":
                raise AnalyzerError("No more to be said.")
            case "not-applicable":
                raise NotApplicableError("There is nothing odd to look for.")
            case "transient":
                raise TransientAnalyzerError("The licence server sleeps.")
            case "defect":
                raise ZeroDivisionError("a defect in prepare")
            case "environment":
                return " ".join(sorted(os.environ))
        return word

    def infer(self, batch: Sequence[str]) -> list[Finding]:
        return [self._judge(word, len(batch)) for word in batch]

    def _judge(self, word: str, size: int) -> Finding:
        match word:
            case "infer-defect":
                raise ZeroDivisionError("a defect in infer")
            case "slow":
                time.sleep(1.2)
            case "device-memory":
                raise DeviceMemoryError("The device is full.")
            case "wrong-label":
                return _finding("never_heard_of")
            case "not-json":
                return _finding(odd={1, 2})
            case "large":
                return _finding(numbers=list(range(200_000)))
            case _ if "PATH" in word:
                return _finding(environment=word.split())
        return _finding(word=word, batch=size)


MISSING = Weights(name="missing.safetensors", sha256="ab" * 32, source="nobody has them", licence="Apache-2.0")


class WithoutWeights(Analyzer[None]):
    manifest: ClassVar[AnalyzerManifest] = _manifest("without-weights", 5, MISSING)

    def prepare(self, media: Media) -> None: ...

    def infer(self, batch: Sequence[None]) -> list[Finding]:
        return []


class GatedSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    gate: Path


class Gated(Analyzer[str]):
    """Waits in `prepare` until the file that its settings name is there. One file kills the worker in `infer`."""

    manifest: ClassVar[AnalyzerManifest] = _manifest("gated", 60)
    settings_type: ClassVar[type[BaseModel]] = GatedSettings
    settings: GatedSettings

    def prepare(self, media: Media) -> str:
        word = media.path.read_text()
        while word.startswith("wait") and not self.settings.gate.exists():
            time.sleep(0.02)
        return word

    def infer(self, batch: Sequence[str]) -> list[Finding]:
        if "kill the worker" in batch:
            os._exit(7)
        return [_finding(word=word) for word in batch]
