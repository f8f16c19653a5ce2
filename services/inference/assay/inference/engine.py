"""One analyzer at work: loaded on a device, with a sandbox to prepare files in and batches to judge them in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from assay.contracts import AnalyzerManifest
from assay.inference.batching import Batcher
from assay.inference.device import Lane
from assay.inference.sandbox import Child, Sandbox
from assay.sdk import Analyzer, Finding, Media, Rendering


class Device:
    """A device, shared by the analyzers of this process."""

    def __init__(self, name: str) -> None:
        """name: as torch names it."""
        self.name = name
        self.lane = Lane(f"device {name}")
        self.turns = asyncio.Lock()


class Engine:
    """Runs the steps of one analyzer, each where it belongs, with bounded work in flight."""

    def __init__(
        self, analyzer: Analyzer[Any], sandbox: Sandbox, device: Device, *, processes: int, batch_max_items: int
    ) -> None:
        self._analyzer = analyzer
        self._sandbox = sandbox
        self._device = device
        self._batcher = Batcher(analyzer, device.lane, device.turns, max_items=batch_max_items)
        # Loading and explaining have a thread of their own: neither may hold up the device.
        self._beside = Lane(f"beside {analyzer.manifest.name}")
        # One batch on the device, one that waits for it, and what is being prepared meanwhile.
        self._places = asyncio.Semaphore(processes + 2 * batch_max_items)

    @property
    def analyzer(self) -> Analyzer[Any]:
        return self._analyzer

    @property
    def manifest(self) -> AnalyzerManifest:
        return self._analyzer.manifest

    @property
    def device(self) -> str:
        return self._device.name

    def device_busy_s(self) -> float:
        """How long the present call on the device has been running, whichever analyzer's it is."""
        return self._device.lane.seconds_busy()

    async def open(self) -> None:
        """Load and warm up. Raises whatever the analyzer's own code raises."""
        await asyncio.gather(
            self._beside.run(lambda: self._analyzer.load(self._device.name)),
            self._sandbox.open(),
        )

    def close(self) -> None:
        """End the children and the threads."""
        self._sandbox.close()
        self._beside.close()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Room for one analysis; waits until there is some."""
        async with self._places:
            yield

    def child(self) -> AbstractAsyncContextManager[Child]:
        """A process to prepare one file in; waits until one is free."""
        return self._sandbox.child()

    async def prepare(self, child: Child, media: Media, seconds: float) -> Any:
        """Decode and shape the file. Raises what `Sandbox.prepare` does."""
        return await self._sandbox.prepare(child, media, seconds)

    async def infer(self, prepared: Any) -> Finding:
        """Judge it on the device, in a batch with what else waits."""
        return await self._batcher.infer(prepared)

    async def explain(self, prepared: Any, finding: Finding) -> list[Rendering]:
        """What can be looked at."""
        return await self._beside.run(lambda: list(self._analyzer.explain(prepared, finding)))
