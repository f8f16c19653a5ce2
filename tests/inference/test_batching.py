"""Batches form while the device is busy; one bad file never spoils its neighbours."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import pytest_asyncio

from assay.inference.batching import Batcher
from assay.inference.device import Device
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
async def device() -> AsyncIterator[Device]:
    device = Device("cpu")
    yield device
    device.lane.close()


def batcher_of(analyzer: Recording, device: Device, **changes: Any) -> Batcher:
    settings: dict[str, Any] = {"max_items": 4, "patience_s": 0.0, "patient_s": 60.0, "coming": lambda urgent: 0}
    return Batcher(analyzer, device, **{**settings, **changes})


async def judged(analyzer: Recording, device: Device, numbers: Sequence[int], max_items: int = 4) -> list[Any]:
    """What comes of the numbers, asked for one after the other while the first holds up the device."""
    batcher = batcher_of(analyzer, device, max_items=max_items)
    asked = [batcher.submit(number, urgent=True) for number in numbers]
    while not analyzer.batches:  # noqa: ASYNC110 - the other side is a thread
        await asyncio.sleep(0.005)
    analyzer.gate.set()
    results = await asyncio.gather(*asked, return_exceptions=True)
    return [each.details["number"] if isinstance(each, Finding) else type(each) for each in results]


async def test_what_waits_is_taken_together_and_everybody_gets_his_own(device: Device) -> None:
    analyzer = Recording()
    batcher = batcher_of(analyzer, device)
    first = batcher.submit(0, urgent=True)
    while not analyzer.batches:  # noqa: ASYNC110 - the other side is a thread
        await asyncio.sleep(0.005)
    later = [batcher.submit(number, urgent=True) for number in range(1, 8)]
    await asyncio.sleep(0)
    analyzer.gate.set()
    findings = await asyncio.gather(first, *later)
    assert [each.details["number"] for each in findings] == list(range(8))
    assert analyzer.batches == [[0], [1, 2, 3, 4], [5, 6, 7]]


async def test_an_error_is_traced_to_the_one_file_that_makes_it(device: Device) -> None:
    analyzer = Recording()
    assert await judged(analyzer, device, [11, 12, 13, 14]) == [11, 12, ArithmeticError, 14]


async def test_a_full_device_halves_the_batch(device: Device) -> None:
    analyzer = Recording(fits=2)
    assert await judged(analyzer, device, range(8), max_items=8) == list(range(8))
    assert [len(batch) for batch in analyzer.batches] == [8, 4, 2, 2, 4, 2, 2]


async def test_too_few_findings_are_the_analyzer_s_fault(device: Device) -> None:
    analyzer = Recording()
    assert await judged(analyzer, device, [1, 99]) == [1, AnalyzerBrokenError]


async def test_who_is_cancelled_meanwhile_is_not_judged(device: Device) -> None:
    analyzer = Recording()
    batcher = batcher_of(analyzer, device)
    first = batcher.submit(0, urgent=True)
    while not analyzer.batches:  # noqa: ASYNC110 - the other side is a thread
        await asyncio.sleep(0.005)
    leaving, staying = batcher.submit(1, urgent=True), batcher.submit(2, urgent=True)
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.sleep(0)
    analyzer.gate.set()
    await asyncio.gather(first, staying)
    assert analyzer.batches == [[0], [2]]


async def test_people_s_work_goes_first_and_shares_no_batch_with_what_can_wait(device: Device) -> None:
    analyzer = Recording()
    batcher = batcher_of(analyzer, device)
    asked = [batcher.submit(0, urgent=False)]
    while not analyzer.batches:  # noqa: ASYNC110 - the other side is a thread
        await asyncio.sleep(0.005)
    asked += [batcher.submit(number, urgent=False) for number in (1, 2)]
    asked += [batcher.submit(number, urgent=True) for number in (3, 4)]
    analyzer.gate.set()
    await asyncio.gather(*asked)
    assert analyzer.batches == [[0], [3, 4], [1, 2]]


async def test_people_s_work_takes_the_next_turn_of_a_device_that_is_shared(device: Device) -> None:
    bulk, people = Recording(), Recording()
    people.gate.set()
    waiting = batcher_of(bulk, device, max_items=1)
    asked = [waiting.submit(number, urgent=False) for number in (0, 1)]
    while not bulk.batches:  # noqa: ASYNC110 - the other side is a thread
        await asyncio.sleep(0.005)
    urgent = batcher_of(people, device).submit(7, urgent=True)
    bulk.gate.set()
    await urgent
    assert len(bulk.batches) == 1
    await asyncio.gather(*asked)


async def test_only_items_of_one_shape_share_a_batch(device: Device) -> None:
    class Shaped(Recording):
        def batch_key(self, prepared: int) -> int:
            return prepared % 2

    analyzer = Shaped()
    batcher = batcher_of(analyzer, device)
    asked = [batcher.submit(0, urgent=True)]
    while not analyzer.batches:  # noqa: ASYNC110 - the other side is a thread
        await asyncio.sleep(0.005)
    asked += [batcher.submit(number, urgent=True) for number in (1, 2, 3, 4, 6)]
    analyzer.gate.set()
    await asyncio.gather(*asked)
    assert analyzer.batches == [[0], [1, 3], [2, 4, 6]]


async def test_a_batch_waits_for_what_is_being_prepared_and_for_nothing_else(device: Device) -> None:
    analyzer = Recording()
    analyzer.gate.set()
    coming = 1
    batcher = batcher_of(analyzer, device, patience_s=60.0, coming=lambda urgent: coming)
    first = batcher.submit(1, urgent=True)
    await asyncio.sleep(0)
    second = batcher.submit(2, urgent=True)
    await asyncio.sleep(0)
    assert not analyzer.batches
    coming = 0
    batcher.look_again()
    await asyncio.gather(first, second)
    assert analyzer.batches == [[1, 2]]


async def test_a_full_batch_waits_for_nothing(device: Device) -> None:
    analyzer = Recording()
    analyzer.gate.set()
    batcher = batcher_of(analyzer, device, max_items=2, patience_s=60.0, coming=lambda urgent: 1)
    await asyncio.gather(*(batcher.submit(number, urgent=True) for number in (1, 2)))
    assert analyzer.batches == [[1, 2]]
