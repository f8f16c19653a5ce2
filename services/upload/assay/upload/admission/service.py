"""The questions asked before work is taken in, in one place for all ways by which it comes."""

from assay.contracts.topics import FILES
from assay.upload.admission.queue import Queue
from assay.upload.admission.quotas import Quotas
from assay.upload.outages import storage_errors

AGAIN = "The database does not answer. Nothing was taken in; send the request again in a minute."


class Admission:
    """Says no early, where that is clear before a byte is read."""

    def __init__(self, *, quotas: Quotas, queue: Queue) -> None:
        self._quotas = quotas
        self._queue = queue

    async def pace(self, owner_id: str) -> None:
        """Count a request that brings work. Raises RateLimitedError."""
        with storage_errors(AGAIN):
            await self._quotas.pace(owner_id)

    async def admit_file(self, owner_id: str, size: int = 0, *, lane: str = FILES.name) -> None:
        """Look whether a file may come. size: bytes that it has at least. Raises a NotNowError.

        The quotas are asked again, exactly, when the file is announced.
        """
        self.check_lane(lane)
        with storage_errors(AGAIN):
            await self._quotas.look(owner_id, size)

    async def admit_run(self, owner_id: str, lane: str) -> None:
        """Look whether a further run may be requested. Raises a NotNowError."""
        self.check_lane(lane)
        with storage_errors(AGAIN):
            await self._quotas.look_at_run(owner_id)

    def check_lane(self, lane: str) -> None:
        """Raises QueueTooOldError; also for work that can wait, where what people wait for waits for too long."""
        self._queue.check(FILES.name)
        if lane != FILES.name:
            self._queue.check(lane)
