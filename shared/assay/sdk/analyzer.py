"""The contract between the inference engine and an analyzer."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from assay.contracts.analyzers import AnalyzerManifest
from assay.contracts.verdicts import Evidence

Prepared = TypeVar("Prepared")


class NoSettings(BaseModel):
    """For analyzers that cannot be configured."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Media:
    """One file to examine. `path` is a local copy, read-only for the analyzer; its name says nothing."""

    path: Path
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Finding:
    """An analyzer's conclusion on one file; the engine makes the verdict of it.

    label       one of the manifest's labels, or `inconclusive`
    claim       one of the manifest's claims: what the score is about
    score       calibrated probability 0..1 that the claim is true, None where it cannot tell (the raw score, if there
                is one, then stays in `details`)
    confidence  0..1, how far to trust the score on a file like this
    evidence    strongest first, in plain sentences
    details     JSON values only: what was measured, in the analyzer's own terms (small; large ones are artifacts)
    """

    label: str
    claim: str
    score: float | None
    confidence: float
    evidence: tuple[Evidence, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rendering:
    """Bytes of an artifact. `name` matches [a-z0-9][a-z0-9._-]*; `title` says in one sentence what a person sees."""

    name: str
    media_type: str
    data: bytes
    title: str


class Analyzer(ABC, Generic[Prepared]):
    """A model or rule set. One instance lives in one worker and serves many files.

    The engine calls `load` once, then for each file `prepare`, for each batch `infer`, and then `explain`. `prepare`
    may run in a child process and in parallel: it must depend on `self.settings` alone, not on what `load` made, and
    what it returns must be picklable. `infer` is called by one thread at a time.
    """

    manifest: ClassVar[AnalyzerManifest]
    settings_type: ClassVar[type[BaseModel]] = NoSettings

    def __init__(self, settings: Any) -> None:
        """settings: a validated `settings_type`, from ASSAY_ANALYZER__<NAME>__<FIELD> (hyphens become underscores)."""
        self.settings = settings

    def load(self, device: str) -> None:
        """Load weights to `device` ("cpu", "cuda", "cuda:1"), and warm up. Raises OSError where weights are missing."""

    @abstractmethod
    def prepare(self, media: Media) -> Prepared:
        """Decode and shape one file on the CPU.

        Raises MediaUnreadableError for damaged bytes, NotApplicableError where there is nothing to examine.
        """

    @abstractmethod
    def infer(self, batch: Sequence[Prepared]) -> list[Finding]:
        """Judge a batch on the device: one finding for each item, in order. An empty batch gives an empty list.

        Raises DeviceMemoryError where the batch does not fit.
        """

    def explain(self, prepared: Prepared, finding: Finding) -> Iterable[Rendering]:
        """Make what a person may look at (heat map, spectrogram, fields). Nothing by default."""
        del prepared, finding
        return ()
