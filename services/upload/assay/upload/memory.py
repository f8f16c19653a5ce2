"""Room for the bytes that are between a client and S3: the same, however many upload at once.

Bytes gather until they are a part of 8 MiB, and there is room for a few of them. Whoever has none waits, and so does
its client, because nothing more is read of it; nobody is refused. Small uploads need little room, so many fit in.
"""

import asyncio
import ctypes
from collections import deque
from contextlib import suppress

ROOM_BYTES = 32 * 1024 * 1024
# So long a client may take to fill its room. A slower one goes on, but its room is counted as free: a few bad
# connections must not hold up everybody else.
PATIENCE_S = 2.0


_M_MMAP_THRESHOLD = -3
LARGE_BLOCK_BYTES = 1024 * 1024


def return_large_blocks() -> None:
    """Let the C library give blocks of a MiB and more back to the system as soon as they are free.

    glibc begins to keep them, in pieces, after a few were used. Other libraries have no such switch and need none.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)


class Room:
    """What one part of one upload has."""

    def __init__(self, memory: "Memory", size: int) -> None:
        self._memory = memory
        self._size = size
        self._waiting_for_client = asyncio.get_running_loop().call_later(PATIENCE_S, self.give_back)

    def fill(self) -> None:
        """All bytes are there: from now on it is S3 that is waited for, as long as that takes."""
        self._waiting_for_client.cancel()

    def give_back(self) -> None:
        """Its bytes are gone. Safe to call again."""
        self._waiting_for_client.cancel()
        size, self._size = self._size, 0
        self._memory.free(size)


class Memory:
    """All the room of one process; first come, first served."""

    def __init__(self, size: int = ROOM_BYTES) -> None:
        self._size = size
        self._free = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> Room:
        """Room for so many bytes, or all there is for more; waits until it is free."""
        size = min(size, self._size)
        if self._waiting or size > self._free:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((size, turn))
            try:
                await turn
            except asyncio.CancelledError:
                # It may have had its turn already, and not know yet.
                self.free(0 if turn.cancelled() else size)
                raise
        else:
            self._free -= size
        return Room(self, size)

    def free(self, size: int) -> None:
        """Let others have it."""
        self._free += size
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting:
            size, turn = self._waiting[0]
            if not turn.cancelled():
                if size > self._free:
                    return
                self._free -= size
                turn.set_result(None)
            self._waiting.popleft()
