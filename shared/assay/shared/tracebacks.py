"""Tracebacks in the log, not so many that writing them is what the process does."""

import time

EVERY_S = 1.0


class Tracebacks:
    """At most one a second in full: when a part is away, thousands of records fail in the same way."""

    def __init__(self) -> None:
        self._last = -EVERY_S

    def of(self, error: BaseException) -> dict[str, object]:
        """What to log of an error, as keywords of the log call."""
        reason = f"{type(error).__name__}: {error}"[:500]
        at = time.monotonic()
        if at - self._last < EVERY_S:
            return {"reason": reason}
        self._last = at
        return {"reason": reason, "exc_info": error}
