"""How far an analysis is, told at most twice a second."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import structlog

INTERVAL_S = 0.5
FRACTIONS = {"fetch": 0.0, "prepare": 0.2, "infer": 0.6, "explain": 0.85}

log = structlog.get_logger(__name__)

Say = Callable[[int, str, float], Awaitable[None]]


class Progress:
    """Says the latest stage; what is overtaken within half a second is never said. Nothing is said after the block."""

    def __init__(self, say: Say) -> None:
        """say: publishes sequence number, stage and fraction."""
        self._say = say
        self._stage: str | None = None
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._speak())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    def reach(self, stage: str) -> None:
        """The analysis has come to this stage."""
        self._stage = stage
        self._changed.set()

    async def _speak(self) -> None:
        sequence = 0
        while True:
            await self._changed.wait()
            self._changed.clear()
            stage = self._stage
            assert stage is not None
            sequence += 1
            try:
                await self._say(sequence, stage, FRACTIONS[stage])
            except Exception as error:  # progress may be lost; the analysis goes on
                log.warning("progress_not_published", reason=str(error) or type(error).__name__)
            await asyncio.sleep(INTERVAL_S)
