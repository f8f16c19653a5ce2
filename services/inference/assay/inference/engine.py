"""One analyzer at work: loaded on a device, with a sandbox to prepare files in and batches to judge them in."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from assay.contracts import AnalyzerManifest
from assay.inference.batching import Batcher
from assay.inference.device import Device, Lane
from assay.inference.pool import Pool
from assay.inference.sandbox import Child, Sandbox
from assay.inference.settings import EngineSettings
from assay.sdk import Analyzer, Finding, Media, Rendering


class Engine:
    """Runs the steps of one analyzer, each where it belongs, with bounded work in flight.

    `urgent` says that a person waits for the file. Such work goes first at every step, and finds a place and a child
    process that work which can wait never takes.
    """

    def __init__(self, analyzer: Analyzer[Any], sandbox: Sandbox, device: Device, settings: EngineSettings) -> None:
        self._analyzer = analyzer
        self._manifest: AnalyzerManifest = analyzer.manifest
        self._sandbox = sandbox
        self._device = device
        self._preparing = {True: 0, False: 0}
        self._batcher = Batcher(
            analyzer,
            device,
            max_items=settings.batch_max_items,
            # A CUDA device idles while the processor decodes: whatever is there may start.
            patience_s=0.0 if device.name.startswith("cuda") else settings.batch_max_wait_ms / 1000,
            patient_s=settings.bulk_batch_ms / 1000,
            coming=self._preparing.__getitem__,
        )
        # Loading and explaining have a thread of their own: neither may hold up the device.
        self._beside = Lane(f"beside {analyzer.manifest.name}")
        # One batch on the device, one that waits for it, and what is being prepared meanwhile: for each kind of work.
        # Files that were found inside others lie in memory until they are stored.
        places = sandbox.processes + (0 if analyzer.manifest.derives else 2 * settings.batch_max_items)
        self._places = {urgent: Pool(range(places)) for urgent in (True, False)}
        self._in_work = 0
        self._at_once = sandbox.processes + settings.batch_max_items
        self.explains = type(analyzer).explain is not Analyzer.explain

    @property
    def analyzer(self) -> Analyzer[Any]:
        return self._analyzer

    @property
    def manifest(self) -> AnalyzerManifest:
        """The analyzer's manifest; once it is equipped, without the optional weights that it works without."""
        return self._manifest

    def equip(self, weights: Mapping[str, Path]) -> None:
        """Give the analyzer its weights, by name, before `open`. What judges without a file must not claim it."""
        self._analyzer.weights = weights
        kept = tuple(each for each in self._analyzer.manifest.weights if each.name in weights)
        self._manifest = self._analyzer.manifest.model_copy(update={"weights": kept})

    @property
    def device(self) -> str:
        return self._device.name

    @property
    def is_busy(self) -> bool:
        """True while analyses wait for a place, or for each other: more than are prepared and judged at a time."""
        return self._in_work > self._at_once or any(places.is_short for places in self._places.values())

    def device_busy_s(self) -> float:
        """How long the present call on the device has been running, whichever analyzer's it is."""
        return self._device.lane.seconds_busy()

    async def open(self) -> None:
        """Load and warm up. Raises whatever the analyzer's own code raises."""
        self._device.reserve(self.manifest.name, self._analyzer.device_memory_mb)
        await asyncio.gather(
            self._beside.run(lambda: self._analyzer.load(self._device.name)),
            self._sandbox.open(),
        )

    def close(self) -> None:
        """End the children and the threads."""
        self._sandbox.close()
        self._beside.close()

    @asynccontextmanager
    async def place(self, *, urgent: bool) -> AsyncIterator["Place"]:
        """Room for one analysis; waits until there is some."""
        async with self._places[urgent].one(urgent=urgent):
            place = Place(self._sandbox, self._batcher, self._preparing, urgent=urgent)
            self._in_work += 1
            try:
                yield place
            finally:
                self._in_work -= 1
                place.leave()

    async def explain(self, prepared: Any, finding: Finding) -> list[Rendering]:
        """What can be looked at."""
        if not self.explains:
            return []
        return await self._beside.run(lambda: list(self._analyzer.explain(prepared, finding)))


class Place:
    """One analysis on its way through an engine. The next batch may wait for it from `prepare` to `infer`."""

    def __init__(self, sandbox: Sandbox, batcher: Batcher, preparing: dict[bool, int], *, urgent: bool) -> None:
        self._sandbox = sandbox
        self._batcher = batcher
        self._preparing = preparing
        self._urgent = urgent
        self._is_coming = False

    def child(self) -> AbstractAsyncContextManager[Child]:
        """A process to prepare one file in; waits until one is free."""
        return self._sandbox.child(urgent=self._urgent)

    async def prepare(self, child: Child, media: Media, seconds: float) -> Any:
        """Decode and shape the file. Raises what `Sandbox.prepare` does."""
        self._is_coming = True
        self._preparing[self._urgent] += 1
        return await self._sandbox.prepare(child, media, seconds)

    async def infer(self, prepared: Any) -> Finding:
        """Judge it on the device, in a batch with what else waits."""
        finding = self._batcher.submit(prepared, urgent=self._urgent)
        self.leave()
        return await finding

    def leave(self) -> None:
        """It is with the batcher, or will never be: nobody waits for it."""
        if self._is_coming:
            self._is_coming = False
            self._preparing[self._urgent] -= 1
            self._batcher.look_again()
