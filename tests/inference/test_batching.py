"""Batches form while the device is busy; one bad file never spoils its neighbours."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import pytest_asyncio

from assay.inference.batching import Batcher
from assay.inference.device import Lane
from assay.inference.errors import AnalyzerBrokenError
from assay.sdk import Analyzer, AnalyzerManifest, DeviceMemoryError, Finding, Media


class Recording(Analyzer[Any]):
    """Judges numbers; notes its batches. The first waits for `gate`."""

    manifest: ClassVar[AnalyzerManifest] = AnalyzerManifest(
        name="recording",
        version="1.0.0",
        title="Recording",
        description="For tests.",
        media_types=("text/plain",),
        claims=("odd",),
        labels=("odd",),
        domain="Tests",
    )

    def __init__(self, fits: int = 100) -> None:
        super().__init__(None)
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.fits = fits

    def prepare(self, media: Media) -> Any: ...

    def infer(self, batch: Sequence[Any]) -> list[Finding]:
        self.batches.append(list(batch))
        assert self.gate.wait(20)
        if len(batch) > self.fits:
            raise DeviceMemoryError("full")
        if 13 in batch:
            raise ArithmeticError("thirteen")
        if 99 in batch:
            return []
        return [Finding("odd", "odd", None, 1.0, details={"number": number}) for number in batch]


@pytest_asyncio.fixture
async def lane() -> AsyncIterator[Lane]:
    lane = Lane("test")
    yield lane
    lane.close()


async def judged(analyzer: Recording, lane: Lane, numbers: Sequence[int], max_items: int = 4) -> list[Any]:
    """What comes of the numbers, asked for one after the other while the first holds up the device."""
    batcher = Batcher(analyzer, lane, asyncio.Lock(), max_items=max_items)
    asked = [asyncio.create_task(batcher.infer(number)) for number in numbers]
    while not analyzer.batches:  # noqa: ASYNC110 - the other side is a thread
        await asyncio.sleep(0.005)
    analyzer.gate.set()
    results = await asyncio.gather(*asked, return_exceptions=True)
    return [each.details["number"] if isinstance(each, Finding) else type(each) for each in results]


async def test_what_waits_is_taken_together_and_everybody_gets_his_own(lane: Lane) -> None:
    analyzer = Recording()
    batcher = Batcher(analyzer, lane, asyncio.Lock(), max_items=4)
    first = asyncio.create_task(batcher.infer(0))
    while not analyzer.batches:  # noqa: ASYNC110 - the other side is a thread
        await asyncio.sleep(0.005)
    later = [asyncio.create_task(batcher.infer(number)) for number in range(1, 8)]
    await asyncio.sleep(0)
    analyzer.gate.set()
    findings = await asyncio.gather(first, *later)
    assert [each.details["number"] for each in findings] == list(range(8))
    assert analyzer.batches == [[0], [1, 2, 3, 4], [5, 6, 7]]


async def test_an_error_is_traced_to_the_one_file_that_makes_it(lane: Lane) -> None:
    analyzer = Recording()
    assert await judged(analyzer, lane, [11, 12, 13, 14]) == [11, 12, ArithmeticError, 14]


async def test_a_full_device_halves_the_batch(lane: Lane) -> None:
    analyzer = Recording(fits=2)
    assert await judged(analyzer, lane, range(8), max_items=8) == list(range(8))
    assert [len(batch) for batch in analyzer.batches] == [8, 4, 2, 2, 4, 2, 2]


async def test_too_few_findings_are_the_analyzer_s_fault(lane: Lane) -> None:
    analyzer = Recording()
    assert await judged(analyzer, lane, [1, 99]) == [1, AnalyzerBrokenError]


async def test_who_is_cancelled_meanwhile_is_not_judged(lane: Lane) -> None:
    analyzer = Recording()
    batcher = Batcher(analyzer, lane, asyncio.Lock(), max_items=4)
    first = asyncio.create_task(batcher.infer(0))
    while not analyzer.batches:  # noqa: ASYNC110 - the other side is a thread
        await asyncio.sleep(0.005)
    leaving, staying = asyncio.create_task(batcher.infer(1)), asyncio.create_task(batcher.infer(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    analyzer.gate.set()
    await asyncio.gather(first, staying)
    assert analyzer.batches == [[0], [2]]
