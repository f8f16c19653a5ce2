"""How the suite runs an analyzer: as the engine does, with samples for files."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from assay.sdk.analyzer import Analyzer, Finding, Media
from assay.sdk.conformance.findings import differences, whole
from assay.sdk.conformance.samples import Sample, media_of
from assay.sdk.derived import Room
from assay.sdk.errors import AnalyzerError
from assay.sdk.packed import packed_weights
from assay.sdk.torch import gradients_off

ROOM = Room(files=64, bytes=64 << 20)
"""What an analyzer that derives files may take out of a sample."""

Case = tuple[Sample, Any]
"""A sample, and what `prepare` made of it."""


class Examining(ABC):
    """What the suite's tests stand on.

    tolerance         by how much the numbers of two findings may differ that must say the same, on one device
    device_tolerance  the same for the scores of two kinds of devices
    any_bytes         True where all bytes are something to the analyzer, so that wrong media may have a finding
    """

    tolerance: ClassVar[float] = 1e-5
    device_tolerance: ClassVar[float] = 0.02
    any_bytes: ClassVar[bool] = False

    @abstractmethod
    def analyzer(self) -> Analyzer[Any]:
        """A new one, not loaded. Its weights are found by themselves where they are packed; else set them here."""

    @abstractmethod
    def samples(self) -> Sequence[Sample]:
        """Files of the types that it takes, small; two or more with a finding, that differ."""

    def _new(self) -> Analyzer[Any]:
        analyzer = self.analyzer()
        if not analyzer.weights:
            analyzer.weights = packed_weights(analyzer.manifest)
        return analyzer

    def _loaded(self) -> Analyzer[Any]:
        """One for all tests of the class: loading may take long."""
        kind = type(self)
        ready: Analyzer[Any] | None = kind.__dict__.get("_ready")
        if ready is None:
            ready = self._new()
            self._load(ready, "cpu")
            kind._ready = ready  # type: ignore[attr-defined]  # each class has its own
        return ready

    def _load(self, analyzer: Analyzer[Any], device: str) -> None:
        with gradients_off():
            analyzer.load(device)

    def _media(self, analyzer: Analyzer[Any], sample: Sample) -> AbstractContextManager[Media]:
        return media_of(sample, ROOM if analyzer.manifest.derives else Room())

    def _cases(self, analyzer: Analyzer[Any]) -> list[Case]:
        cases = []
        for sample in self.samples():
            if sample.outcome == "finding":
                with self._media(analyzer, sample) as media:
                    cases.append((sample, analyzer.prepare(media)))
        return cases

    def _batches(self, analyzer: Analyzer[Any], cases: Sequence[Case]) -> list[list[Case]]:
        """As the engine would make them: of one key, none larger than `max_batch`."""
        by_key: dict[Hashable, list[Case]] = {}
        for sample, prepared in cases:
            by_key.setdefault(analyzer.batch_key(prepared), []).append((sample, prepared))
        most = analyzer.max_batch or len(cases)
        return [group[at : at + most] for group in by_key.values() for at in range(0, len(group), most)]

    def _infer(self, analyzer: Analyzer[Any], batch: Sequence[Any]) -> list[Finding]:
        with gradients_off():
            findings = analyzer.infer(batch)
        assert isinstance(findings, list), f"infer returned {type(findings).__name__}, not a list"
        assert len(findings) == len(batch), f"infer returned {len(findings)} findings for {len(batch)} items"
        return findings

    def _examined(self, analyzer: Analyzer[Any], sample: Sample) -> Finding | AnalyzerError:
        """How its analysis ends. What is no error of the SDK is a fault."""
        with self._media(analyzer, sample) as media:
            try:
                return self._infer(analyzer, [analyzer.prepare(media)])[0]
            except AnalyzerError as error:
                return error
            except AssertionError:
                raise
            except Exception as error:
                raise AssertionError(f"{sample}: {type(error).__name__}: {error}; no error of assay.sdk") from error

    def _same(self, analyzer: Analyzer[Any], one: Sequence[Case], other: Sequence[Case], how: str) -> None:
        assert len(one) == len(other)
        for (sample, first), (_, second) in zip(one, other, strict=True):
            findings = [self._infer(analyzer, [prepared])[0] for prepared in (first, second)]
            found = differences(whole(findings[0]), whole(findings[1]), self.tolerance)
            none(f"{sample}, {how}: {each}" for each in found)


def none(faults: Iterable[str]) -> None:
    """Raise AssertionError with every fault on a line of its own."""
    found = list(faults)
    assert not found, "\n".join(found)


def prepared_or_error(analyzer: Analyzer[Any], media: Media) -> Any:
    """What `prepare` returns, or the error of the SDK that it raises."""
    try:
        return analyzer.prepare(media)
    except AnalyzerError as error:
        return error


def other_devices() -> list[str]:
    """CUDA, where the analyzer uses torch and it is there."""
    torch: Any = sys.modules.get("torch")
    return ["cuda:0"] if torch is not None and torch.cuda.is_available() else []
