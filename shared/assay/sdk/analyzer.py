"""The contract between the inference engine and an analyzer."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from assay.contracts.analyzers import AnalyzerManifest
from assay.contracts.verdicts import Evidence
from assay.sdk.derived import NO_ROOM, DerivedFile, Room

Prepared = TypeVar("Prepared")


class NoSettings(BaseModel):
    """For analyzers that cannot be configured."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Media:
    """One file to examine. `path` is a local copy, read-only for the analyzer; its name says nothing.

    room: how much may be taken out of it; nothing for an analyzer whose manifest does not say `derives`.
    """

    path: Path
    media_type: str
    size: int
    sha256: str
    room: Room = NO_ROOM


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
    derived     files that it found inside, each to be judged like any other; its manifest says `derives`. What is more
                than `Media.room`, empty, or there twice is dropped
    """

    label: str
    claim: str
    score: float | None
    confidence: float
    evidence: tuple[Evidence, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    derived: tuple[DerivedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Rendering:
    """Bytes of an artifact. `name` matches [a-z0-9][a-z0-9._-]*; `title` says in one sentence what a person sees."""

    name: str
    media_type: str
    data: bytes
    title: str


class Analyzer(ABC, Generic[Prepared]):
    """A model or rule set. One instance lives in one worker and serves many files.

    The engine sets `weights` and calls `load` once, then for each file `prepare`, for each batch `infer`, and then
    `explain`. `prepare` may run in a child process and in parallel: it must depend on `self.settings` alone, not on
    `weights` or on what `load` made, and what it returns must be picklable. `infer` is called by one thread at a time,
    with gradients off.

    manifest          what it is, what it takes, what it says
    settings_type     its own settings, from ASSAY_ANALYZER__<NAME>__<FIELD> (hyphens become underscores)
    max_batch         items in one `infer` at most; None: as many as the engine likes
    device_memory_mb  megabytes of the device's memory that it takes at most, weights and one batch; 0: not known.
                      Analyzers whose budgets fit share a device
    """

    manifest: ClassVar[AnalyzerManifest]
    settings_type: ClassVar[type[BaseModel]] = NoSettings
    max_batch: ClassVar[int | None] = None
    device_memory_mb: ClassVar[int] = 0

    weights: Mapping[str, Path]
    """The files that the manifest declares, by name: local, readable, of the declared sha256. Set before `load`.

    Those that it declares with `required=False` may be missing.
    """

    def __init__(self, settings: Any) -> None:
        """settings: a validated `settings_type`. Keep it cheap: the processes that decode files make one each."""
        self.settings = settings
        self.weights = {}

    def load(self, device: str) -> None:
        """Bring the weights to `device` and warm up: run the network once on made-up input.

        device: as torch names it: "cpu", "cuda:0". Called again with another device, it moves there.
        Raises OSError where something that it needs is missing: the analyzer then stays out, and the others go on.
        """

    @abstractmethod
    def prepare(self, media: Media) -> Prepared:
        """Decode and shape one file on the CPU.

        Returns what `infer` needs, such as uint8 (3, H, W): small numbers of bytes travel faster than floats.
        Raises MediaUnreadableError for damaged bytes, NotApplicableError where there is nothing to examine. Whatever
        the bytes are, it raises nothing but errors of `assay.sdk`.
        """

    def batch_key(self, prepared: Prepared) -> Hashable:
        """What the items of one batch have in common, such as their shape: unequal keys never share one.

        None by default: all go together.
        """
        del prepared
        return None

    @abstractmethod
    def infer(self, batch: Sequence[Prepared]) -> list[Finding]:
        """Judge a batch on the device: one finding for each item, in order. An empty batch gives an empty list.

        batch: at most `max_batch` items of one `batch_key`. A finding does not depend on what else is in the batch.
        Deterministic: the same item gives the same finding, in this process and the next.
        Raises DeviceMemoryError where the batch does not fit; torch's own error of a full device means the same.
        """

    def explain(self, prepared: Prepared, finding: Finding) -> Iterable[Rendering]:
        """Make what a person may look at (heat map, spectrogram, fields). Nothing by default.

        Runs after `infer` in another thread, perhaps while the next batch is judged.
        """
        del prepared, finding
        return ()
