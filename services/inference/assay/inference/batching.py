"""Dynamic batches: an idle device starts at once; what waits while it is busy is taken together."""

import asyncio
from collections.abc import Sequence
from typing import Any

from assay.inference import metrics
from assay.inference.device import Lane
from assay.inference.errors import AnalyzerBrokenError
from assay.sdk import Analyzer, DeviceMemoryError, Finding

Waiting = tuple[Any, "asyncio.Future[Finding]"]


class Batcher:
    """Collects what one analyzer is to judge. Analyzers on the same device take turns, a batch each."""

    def __init__(self, analyzer: Analyzer[Any], lane: Lane, turns: asyncio.Lock, *, max_items: int) -> None:
        """turns: the device's; given in the order of asking."""
        self._analyzer = analyzer
        self._lane = lane
        self._turns = turns
        self._max_items = max_items
        self._waiting: list[Waiting] = []
        self._running: asyncio.Task[None] | None = None

    async def infer(self, prepared: Any) -> Finding:
        """Judge one file, perhaps together with others. Raises what the analyzer raised on this file alone."""
        future: asyncio.Future[Finding] = asyncio.get_running_loop().create_future()
        self._waiting.append((prepared, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name=f"batches {self._analyzer.manifest.name}")
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                async with self._turns:
                    batch = self._next()
                    if batch:
                        metrics.BATCH_ITEMS.labels(analyzer=self._analyzer.manifest.name).observe(len(batch))
                        await self._settle(batch)
        finally:
            self._running = None

    def _next(self) -> list[Waiting]:
        # Whoever was cancelled meanwhile waits no more.
        waiting = [each for each in self._waiting if not each[1].done()]
        self._waiting = waiting[self._max_items :]
        return waiting[: self._max_items]

    async def _settle(self, batch: Sequence[Waiting]) -> None:
        """Judge a batch. A full device halves it; any other error is found out one by one: it is one file's alone."""
        items = [prepared for prepared, _ in batch]
        try:
            findings = await self._lane.run(lambda: self._judge(items))
        except Exception as error:
            if len(batch) == 1:
                if not batch[0][1].done():
                    batch[0][1].set_exception(error)
                return
            size = len(batch) // 2 if isinstance(error, DeviceMemoryError) else 1
            for start in range(0, len(batch), size):
                await self._settle(batch[start : start + size])
            return
        for (_, future), finding in zip(batch, findings, strict=True):
            if not future.done():
                future.set_result(finding)

    def _judge(self, items: Sequence[Any]) -> list[Finding]:
        findings = self._analyzer.infer(items)
        if len(findings) != len(items):
            raise AnalyzerBrokenError(f"infer returned {len(findings)} findings for {len(items)} files")
        return findings
