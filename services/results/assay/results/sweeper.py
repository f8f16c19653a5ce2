"""Looks for runs past their deadline, again and again. Replicas share the work by locked rows."""

import asyncio

import structlog

from assay.results.service import RunService
from assay.shared import tracing
from assay.shared.clock import now
from assay.shared.tasks import end

log = structlog.get_logger(__name__)


class Sweeper:
    """No run stays `running` for ever."""

    def __init__(self, service: RunService, *, every_s: float) -> None:
        self._service = service
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._sweep_for_ever(), name="sweeper")

    async def stop(self) -> None:
        await end(self._task)

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                with tracing.span("sweep deadlines"):
                    await self._service.sweep(now())
            except Exception as error:  # PostgreSQL away: the runs wait, the next sweep finds them
                log.warning("sweep_postponed", reason=(str(error) or type(error).__name__).splitlines()[0])
            await asyncio.sleep(self._every_s)
