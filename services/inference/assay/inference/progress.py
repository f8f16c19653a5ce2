"""How far an analysis is, told at most twice a second: one that is over sooner says nothing but its end."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import structlog

INTERVAL_S = 0.5
FRACTIONS = {"prepare": 0.2, "infer": 0.6}

log = structlog.get_logger(__name__)

Say = Callable[[int, str, float], Awaitable[None]]


class Progress:
    """Says the latest stage; what is overtaken within half a second is never said. Nothing is said after the block."""

    def __init__(self, say: Say) -> None:
        """say: publishes sequence number, stage and fraction."""
        self._say = say
        self._stage = ""
        self._sequence = 0
        self._timer: asyncio.TimerHandle | None = None
        self._saying: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._saying is not None:
            self._saying.cancel()
            await asyncio.wait([self._saying])

    def reach(self, stage: str) -> None:
        """The analysis has come to this stage."""
        self._stage = stage
        if self._timer is None:
            # No task: of a thousand quick analyses none needs one.
            self._timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._saying is None or self._saying.done():
            self._sequence += 1
            self._saying = asyncio.create_task(self._speak(self._sequence, self._stage))

    async def _speak(self, sequence: int, stage: str) -> None:
        try:
            await self._say(sequence, stage, FRACTIONS[stage])
        except Exception as error:  # progress may be lost; the analysis goes on
            log.warning("progress_not_published", reason=str(error) or type(error).__name__)
