"""When a process that died is started again: soon at first, then ever later."""

import time
from dataclasses import dataclass, field

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""A process that ran for so long starts with the shortest wait again."""


@dataclass
class Restarts:
    """The deaths of one process."""

    deaths: int = 0
    """In a row, none of them after a steady life."""
    due: float | None = field(default=None)
    """When it is to be started (monotonic); None while it runs."""

    def record_death(self, started_at: float) -> float:
        """Note a death now. Returns the seconds until the next start."""
        if time.monotonic() - started_at > STEADY_SECONDS:
            self.deaths = 0
        wait = min(FIRST_SECONDS * 2.0**self.deaths, LONGEST_SECONDS)
        self.deaths += 1
        self.due = time.monotonic() + wait
        return wait

    def is_due(self) -> bool:
        """True when it is to be started now."""
        return self.due is not None and time.monotonic() >= self.due
