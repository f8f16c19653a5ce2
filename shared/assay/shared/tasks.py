"""Tasks that run in the background until somebody ends them."""

import asyncio
from contextlib import suppress
from typing import Any


async def end(*tasks: "asyncio.Task[Any] | None") -> None:
    """Cancel tasks, and return when they have ended; None is one that was never begun.

    Raises what one of them had failed with before.
    """
    begun = [each for each in tasks if each is not None]
    for each in begun:
        each.cancel()
    for each in begun:
        with suppress(asyncio.CancelledError):
            await each
