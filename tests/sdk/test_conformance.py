"""The suite passes what conforms, and finds each thing that does not."""

import dataclasses
import itertools
import json
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import pytest

from assay.sdk import (
    Analyzer,
    AnalyzerManifest,
    DerivedFile,
    Evidence,
    Finding,
    Media,
    MediaUnreadableError,
    NoSettings,
    NotApplicableError,
    Rendering,
    Weights,
)
from assay.sdk.conformance import AnalyzerConformance, Sample

MANIFEST = AnalyzerManifest(
    name="numbers",
    version="1.0.0",
    title="Numbers",
    description="Tells large numbers from small ones.",
    media_types=("application/json",),
    claims=("large",),
    labels=("large", "no_findings"),
    time_limit_s=5,
    domain="Lists of numbers made by tests",
    sources=("Peano, 1889",),
)


class Numbers(Analyzer[list[float]]):
    """Conforms."""

    manifest: ClassVar[AnalyzerManifest] = MANIFEST
    max_batch: ClassVar[int | None] = 3

    def load(self, device: str) -> None:
        self.limit = 0.5

    def prepare(self, media: Media) -> list[float]:
        try:
            numbers = json.loads(media.path.read_bytes())
        except ValueError as error:
            raise MediaUnreadableError("This is no JSON.") from error
        if not isinstance(numbers, list) or not all(isinstance(number, float) for number in numbers):
            raise MediaUnreadableError("This is no list of numbers.")
        if not numbers:
            raise NotApplicableError("It is empty.")
        return numbers

    def batch_key(self, prepared: list[float]) -> int:
        return len(prepared)

    def infer(self, batch: Sequence[list[float]]) -> list[Finding]:
        if len({len(numbers) for numbers in batch}) > 1 or len(batch) > 3:
            raise ZeroDivisionError("a batch that the engine would not make")
        return [self.judge(numbers) for numbers in batch]

    def judge(self, numbers: list[float]) -> Finding:
        mean = sum(numbers) / len(numbers)
        label = "large" if mean > self.limit else "no_findings"
        return Finding(label, "large", mean, 0.5, (Evidence(text=f"The mean is {mean}."),), {"numbers": len(numbers)})

    def explain(self, prepared: list[float], finding: Finding) -> Iterable[Rendering]:
        yield Rendering("numbers.json", "application/json", json.dumps(prepared).encode(), "The numbers.")


class Suite(AnalyzerConformance):
    kind: ClassVar[type[Analyzer[Any]]] = Numbers

    def analyzer(self) -> Analyzer[Any]:
        return self.kind(NoSettings())

    def samples(self) -> Sequence[Sample]:
        return [
            Sample(b"[0.1, 0.2]", "application/json", label="no_findings"),
            Sample(b"[0.7, 0.9]", "application/json", label="large"),
            Sample(b"[0.25]", "application/json"),
            Sample(b"[]", "application/json", "not_applicable"),
            Sample(b"{}", "application/json", "unreadable"),
        ]


class TestWhatConforms(Suite):
    """Collected by pytest as a stranger's test would be."""


CHECKS = sorted(name for name in vars(AnalyzerConformance) if name.startswith("test_"))


class Undecided(Numbers):
    turns = itertools.count()

    def judge(self, numbers: list[float]) -> Finding:
        return Finding("large", "large", next(self.turns) % 7 / 7, 0.5)


class OfItsBatch(Numbers):
    def infer(self, batch: Sequence[list[float]]) -> list[Finding]:
        return [Finding("large", "large", 1 / len(batch), 0.5) for _ in batch]


class OneShort(Numbers):
    def infer(self, batch: Sequence[list[float]]) -> list[Finding]:
        return super().infer(batch)[:2]


class FailsOnNothing(Numbers):
    def infer(self, batch: Sequence[list[float]]) -> list[Finding]:
        len(batch[0])
        return super().infer(batch)


class Unheard(Numbers):
    def judge(self, numbers: list[float]) -> Finding:
        return Finding("enormous", "large", 0.5, 0.5)


class NotJson(Numbers):
    def judge(self, numbers: list[float]) -> Finding:
        return Finding("large", "large", 0.5, 0.5, details={"seen": {1, 2}})


class RaisesItsOwn(Numbers):
    def prepare(self, media: Media) -> list[float]:
        return [float(number) for number in json.loads(media.path.read_bytes())]


class NeedsLoad(Numbers):
    def prepare(self, media: Media) -> list[float]:
        return [number + self.limit - 0.5 for number in super().prepare(media)]


class NotPicklable(Numbers):
    def prepare(self, media: Media) -> Any:
        numbers = super().prepare(media)
        return type("Local", (list,), {})(numbers)


class OfItsInstance(Numbers):
    born = itertools.count()

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.number = next(self.born)

    def judge(self, numbers: list[float]) -> Finding:
        return Finding("large", "large", 0.5, 0.5, details={"number": self.number})


class StaysWhereItIs(Numbers):
    def load(self, device: str) -> None:
        self.limit = 0.5 if not hasattr(self, "limit") else 0.0


class DrawsBadly(Numbers):
    def explain(self, prepared: list[float], finding: Finding) -> Iterable[Rendering]:
        yield Rendering("map.png", "image/png", b"\x89PNG\r\n\x1a\n", "A map.")


class NamesBadly(Numbers):
    def explain(self, prepared: list[float], finding: Finding) -> Iterable[Rendering]:
        yield Rendering("../map", "text/plain", b"a", "A map.")


class Litters(Numbers):
    def prepare(self, media: Media) -> list[float]:
        (media.path.parent / "draft").write_bytes(b"")
        return super().prepare(media)


class DerivesWithoutSaying(Numbers):
    def judge(self, numbers: list[float]) -> Finding:
        return dataclasses.replace(super().judge(numbers), derived=(DerivedFile(b"[0.5]"),))


class DerivesTooMuch(DerivesWithoutSaying):
    manifest = MANIFEST.model_copy(update={"derives": True})


class Slow(Numbers):
    manifest = MANIFEST.model_copy(update={"time_limit_s": 0.01})

    def infer(self, batch: Sequence[list[float]]) -> list[Finding]:
        time.sleep(0.02)
        return super().infer(batch)


class SaysNothingOfItself(Numbers):
    manifest = MANIFEST.model_copy(update={"domain": " "})


class WithoutItsWeights(Numbers):
    manifest = MANIFEST.model_copy(
        update={"weights": (Weights(name="w.bin", sha256="ab" * 32, source="nowhere", licence="MIT"),)}
    )


@pytest.mark.parametrize(
    ("kind", "check", "said"),
    [
        (SaysNothingOfItself, "the_manifest_is_complete", "domain is empty"),
        (WithoutItsWeights, "the_weights_are", "the weights w.bin are in no package"),
        (FailsOnNothing, "an_empty_batch", "list index out of range"),
        (OneShort, "a_batch_says", "infer returned 2 findings for 3 items"),
        (OfItsBatch, "a_batch_says", "in a batch of 3: score: 1.0 and 0.33"),
        (Unheard, "each_sample_ends", "the label 'enormous' is not in the manifest"),
        (NotJson, "each_sample_ends", "the details are not JSON"),
        (RaisesItsOwn, "wrong_media", "an empty file as application/json: JSONDecodeError"),
        (RaisesItsOwn, "truncated_files", "no error of assay.sdk"),
        (NeedsLoad, "preparing_needs", "no attribute 'limit'"),
        (NotPicklable, "preparing_needs", "Can't"),
        (Undecided, "the_same_file", "twice: score"),
        (OfItsInstance, "the_same_file", "by another instance: details.number"),
        (StaysWhereItIs, "it_can_be_moved", "moved to cpu: label: 'no_findings' and 'large'"),
        (DrawsBadly, "artifacts_are", "it is not image/png: it has no first or no last chunk"),
        (NamesBadly, "artifacts_are", "the artifact '../map': name: String should match"),
        (DerivesWithoutSaying, "each_sample_ends", "the manifest does not say `derives`"),
        (DerivesTooMuch, "derived_files_keep", "1 derived files; there is room for 0"),
        (Litters, "files_are_left", "something was left beside it"),
        (Slow, "the_time_limit", "bytes of application/json: 0.0 s"),
    ],
)
def test_a_fault_is_found_and_named(kind: type[Analyzer[Any]], check: str, said: str) -> None:
    suite = type("Faulty", (Suite,), {"kind": kind})()
    (name,) = [each for each in CHECKS if each.startswith(f"test_{check}")]
    with pytest.raises(Exception) as caught:
        getattr(suite, name)()
    assert said in str(caught.value)


def outcome(check: Callable[[], None]) -> str | None:
    try:
        check()
    except AssertionError as error:
        return str(error)
    return None


def test_every_check_runs_without_a_test_framework() -> None:
    suite = Suite()
    assert {name: outcome(getattr(suite, name)) for name in CHECKS} == dict.fromkeys(CHECKS)
