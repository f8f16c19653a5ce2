"""Where networks run: one thread for each device, so that torch never meets the event loop or itself."""

import asyncio
import ctypes
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from assay.inference.memory import RESTS_S, give_back
from assay.inference.pool import Pool
from assay.sdk import DeviceMemoryError
from assay.sdk.torch import gradients_off

T = TypeVar("T")

MEGABYTE = 1 << 20
SHARE_OF_CUDA = 0.9
"""Of a device's memory for analyzers; the rest is the driver's, and room for what torch's allocator cannot use."""


class BudgetError(Exception):
    """The device has no room for an analyzer beside those that it has."""


def choose(device: str) -> str:
    """The name of the device: `cuda:0` or `cpu`.

    device: auto, cpu or cuda. Torch takes seconds and half a gigabyte to import, so it is asked only where there is a
    driver: a worker whose analyzers need no torch does without it.
    Raises RuntimeError where CUDA is asked for and is not there.
    """
    if device != "cpu" and _has_driver():
        import torch

        if torch.cuda.is_available():
            return "cuda:0"
    if device == "cuda":
        raise RuntimeError("ASSAY_DEVICE is cuda, and torch finds no CUDA device; set it to auto or cpu")
    return "cpu"


def _has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


class Lane:
    """A thread that makes one blocking call after the other, with gradients off.

    It does not keep the process alive: a call that never returns cannot hold up the end of the service.
    """

    def __init__(self, name: str, *, rests_s: float | None = None) -> None:
        """rests_s: without a call for so long, the memory that calls had is given back; None: it is kept."""
        self._rests_s = rests_s
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._busy_since: float | None = None
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def run(self, call: Callable[[], T]) -> T:
        """What the call returns or raises. Cancelled, it still runs to its end; nobody hears of it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # None only where T is

        def perform() -> None:
            result: T | None = None
            failure: BaseException | None = None
            try:
                result = call()
            except Exception as error:
                failure = in_our_words(error)
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, failure)

        self._calls.put(perform)
        return await future

    def seconds_busy(self) -> float:
        """How long the present call has been running; 0 where there is none."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def close(self) -> None:
        """Let the thread end after the calls that wait."""
        self._calls.put(None)

    def _work(self) -> None:
        while (perform := self._next()) is not None:
            self._busy_since = time.monotonic()
            with gradients_off():
                perform()
            self._busy_since = None
            del perform

    def _next(self) -> Callable[[], None] | None:
        try:
            return self._calls.get(timeout=self._rests_s)
        except queue.Empty:
            give_back()
            return self._calls.get()


class Device:
    """A device, shared by the analyzers of this process: its memory by what they declare, its time by turns."""

    def __init__(self, name: str, *, memory_mb: int = 0) -> None:
        """
        name: as torch names it.
        memory_mb: for all analyzers together; 0: nine tenths of what a CUDA device has, without limit on a processor.
        """
        self.name = name
        self.lane = Lane(f"device {name}", rests_s=RESTS_S)
        self.turns: Pool[None] = Pool([None])
        self._memory_mb = memory_mb or _memory_mb(name)
        self._reserved: dict[str, int] = {}

    def reserve(self, analyzer: str, memory_mb: int) -> None:
        """Set memory aside. Raises BudgetError where too little is left."""
        taken = sum(self._reserved.values())
        if self._memory_mb is not None and taken + memory_mb > self._memory_mb:
            raise BudgetError(
                f"it declares {memory_mb} MB of {self.name}, which has {self._memory_mb - taken} of {self._memory_mb} "
                f"MB left beside {', '.join(self._reserved) or 'nobody'}. Name fewer in ASSAY_ANALYZERS, or raise "
                "ASSAY_DEVICE_MEMORY_MB"
            )
        self._reserved[analyzer] = memory_mb


def _memory_mb(device: str) -> int | None:
    if not device.startswith("cuda"):
        return None
    import torch

    return int(torch.cuda.get_device_properties(device).total_memory * SHARE_OF_CUDA) // MEGABYTE


def release_memory() -> None:
    """After an error of a full device: give back what torch's allocator keeps, so that a smaller batch finds room."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is not None and cuda.is_initialized():
        cuda.empty_cache()


def in_our_words(error: Exception) -> Exception:
    """Torch's error of a full device as the one that the engine knows."""
    full = getattr(sys.modules.get("torch"), "OutOfMemoryError", None)
    if full is not None and isinstance(error, full):
        return DeviceMemoryError("The device has not enough memory left for this file.")
    return error
