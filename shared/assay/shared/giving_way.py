"""While people wait, what can wait takes no more of the machine than is left.

Weights and reserved slots keep a backfill from standing in front of a person's file in this process. They do not help
where the processor itself is the queue, for instance on the two cores that Kafka, storage and database share with us:
there each step of the one file waits for many steps of the others. So as soon as a record comes that somebody waits
for, what can wait begins anew with one record at a time, and grows while the processor has time to spare: by half four
times a second, halved where it has none, as a sender on a network finds its rate (additive growth would take minutes
on a machine with a GPU, whose processor is never short). It is never starved: one record a second goes through. Some
seconds after the last such record it has its whole share again.
"""

import asyncio
import time
from collections.abc import Callable

from assay.shared.tasks import end

HOLD_S = 5.0
TICK_S = 0.25
PULSE_S = 1.0
# Of the time of all processors. Between the two nothing changes.
SPARE = 0.70
SHORT = 0.85

Bound = Callable[[int | None], None]
"""Takes how many records that can wait one consumer may have in work; None: as many as its share."""


class GivingWay:
    """One for a process, shared by its consumers. For one event loop."""

    def __init__(self, busy: Callable[[], float]) -> None:
        """busy: the part of the processors' time that was used since the last call, 0 to 1."""
        self._busy = busy
        self._bounds: list[Bound] = []
        self._seen_at = 0.0
        self._watch: asyncio.Task[None] | None = None

    def follow(self, bound: Bound) -> None:
        """Tell a consumer how much may be in work, from now on."""
        self._bounds.append(bound)

    def somebody_waits(self) -> None:
        """A record came that somebody waits for."""
        self._seen_at = time.monotonic()
        if self._watch is None:
            self._watch = asyncio.create_task(self._watch_processors(), name="give way")

    async def stop(self) -> None:
        """Watch no more."""
        await end(self._watch)

    async def _watch_processors(self) -> None:
        at_most = 1
        pulse_at = time.monotonic() + PULSE_S
        self._busy()
        self._tell(at_most)
        try:
            while time.monotonic() - self._seen_at < HOLD_S:
                await asyncio.sleep(TICK_S)
                busy = self._busy()
                if busy < SPARE:
                    at_most += max(1, at_most // 2)
                elif busy > SHORT:
                    at_most //= 2
                self._tell(at_most)
                if at_most == 0 and time.monotonic() >= pulse_at:
                    pulse_at = time.monotonic() + PULSE_S
                    self._tell(1)
                    self._tell(0)
        finally:
            self._watch = None
            self._tell(None)

    def _tell(self, at_most: int | None) -> None:
        for bound in self._bounds:
            bound(at_most)
