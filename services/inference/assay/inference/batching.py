"""Dynamic batches: an idle device starts at once; what waits while it is busy is taken together.

Where the processor is the device, it is never idle while files are being decoded: then a batch waits a moment for
those, since judging files together costs less than one by one.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from assay.inference import metrics
from assay.inference.device import Device, release_memory
from assay.inference.errors import AnalyzerBrokenError
from assay.sdk import Analyzer, DeviceMemoryError, Finding

log = structlog.get_logger(__name__)

SMOOTHING = 0.2


@dataclass(eq=False, slots=True)
class Waiting:
    """One prepared file on its way to the device."""

    prepared: Any
    key: Hashable
    urgent: bool
    since: float
    future: "asyncio.Future[Finding]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Batcher:
    """Collects what one analyzer is to judge. Analyzers on the same device take turns, a batch each."""

    def __init__(
        self,
        analyzer: Analyzer[Any],
        device: Device,
        *,
        max_items: int,
        patience_s: float,
        patient_s: float,
        coming: Callable[[bool], int],
    ) -> None:
        """
        patience_s: how long a batch that is not full waits for files that are being prepared; 0: not at all.
        patient_s: how long a batch of work that can wait may hold the device, while people's work may come.
        coming: how many files are being prepared at this moment, urgent ones or the others.
        """
        self._analyzer = analyzer
        self._device = device
        self._max_items = min(max_items, analyzer.max_batch or max_items)
        self._patience_s = patience_s
        self._patient_s = patient_s
        self._coming = coming
        self._waiting: deque[Waiting] = deque()
        self._item_s: float | None = None
        self._arrived = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def submit(self, prepared: Any, *, urgent: bool) -> "asyncio.Future[Finding]":
        """Have one file judged, perhaps together with others. The future raises what it raised on this file alone."""
        waiting = Waiting(prepared, self._analyzer.batch_key(prepared), urgent, time.monotonic())
        self._waiting.append(waiting)
        self._arrived.set()
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name=f"batches {self._analyzer.manifest.name}")
        return waiting.future

    def look_again(self) -> None:
        """Fewer files are being prepared than before: perhaps there is nothing left to wait for."""
        self._arrived.set()

    async def _run(self) -> None:
        try:
            while self._first() is not None:
                await self._fill()
                first = self._first()
                async with self._device.turns.one(urgent=first is not None and first.urgent):
                    batch = self._next()
                    if batch:
                        metrics.BATCH_ITEMS.labels(analyzer=self._analyzer.manifest.name).observe(len(batch))
                        await self._timed(batch)
        finally:
            self._running = None

    def _first(self) -> Waiting | None:
        """Who decides what the next batch is: the longest waiting, people's work before all other."""
        while self._waiting and self._waiting[0].future.done():
            self._waiting.popleft()  # cancelled meanwhile
        first = None
        for each in self._waiting:
            if not each.future.done():
                if each.urgent:
                    return each
                first = first or each
        return first

    async def _fill(self) -> None:
        """Wait for more, where more is coming and the batch is not full."""
        while (first := self._first()) is not None:
            left = first.since + self._patience_s - time.monotonic()
            if left <= 0 or self._coming(first.urgent) == 0 or len(self._like(first)) >= self._size(first):
                return
            self._arrived.clear()
            try:
                async with asyncio.timeout(left):
                    await self._arrived.wait()
            except TimeoutError:
                return

    def _next(self) -> list[Waiting]:
        first = self._first()
        if first is None:
            return []
        batch = self._like(first)[: self._size(first)]
        taken = {id(each) for each in batch}
        self._waiting = deque(each for each in self._waiting if id(each) not in taken)
        return batch

    def _like(self, first: Waiting) -> list[Waiting]:
        """What may share a batch with it. People's work shares none with what can wait: it would take longer."""
        return [
            each
            for each in self._waiting
            if each.key == first.key and each.urgent == first.urgent and not each.future.done()
        ]

    def _size(self, first: Waiting) -> int:
        if first.urgent or self._item_s is None:
            return self._max_items
        return max(1, min(self._max_items, int(self._patient_s / max(self._item_s, 1e-6))))

    async def _timed(self, batch: Sequence[Waiting]) -> None:
        started = time.monotonic()
        await self._settle(batch)
        item_s = (time.monotonic() - started) / len(batch)
        self._item_s = item_s if self._item_s is None else self._item_s + SMOOTHING * (item_s - self._item_s)

    async def _settle(self, batch: Sequence[Waiting]) -> None:
        """Judge a batch. A full device halves it; any other error is found out one by one: it is one file's alone."""
        items = [each.prepared for each in batch]
        try:
            findings = await self._device.lane.run(lambda: self._judge(items))
        except Exception as error:
            if len(batch) == 1:
                if not batch[0].future.done():
                    batch[0].future.set_exception(error)
                return
            size = 1
            if isinstance(error, DeviceMemoryError):
                size = len(batch) // 2
                self._fits(size)
                await self._device.lane.run(release_memory)
            for start in range(0, len(batch), size):
                await self._settle(batch[start : start + size])
            return
        for each, finding in zip(batch, findings, strict=True):
            if not each.future.done():
                each.future.set_result(finding)

    def _fits(self, size: int) -> None:
        """Later batches begin at what the device had room for, so that not each of them fails first."""
        if size < self._max_items:
            self._max_items = size
            log.warning("batch_halved", analyzer=self._analyzer.manifest.name, items=size)

    def _judge(self, items: Sequence[Any]) -> list[Finding]:
        findings = self._analyzer.infer(items)
        if len(findings) != len(items):
            raise AnalyzerBrokenError(f"infer returned {len(findings)} findings for {len(items)} files")
        return findings
