"""One file on its way into S3: hashed as it passes, at most two parts of it in memory at a time."""

import asyncio
import hashlib
from uuid import UUID

from assay.shared.database import Transaction
from assay.shared.objects import ObjectStore
from assay.shared.problems import UnavailableError
from assay.upload.domain import Intent, object_key
from assay.upload.memory import Memory, Room
from assay.upload.repository import IntentRepository
from assay.upload.sweeper import Sweeper

# S3 takes up to 10,000 parts: 78 GiB.
PART_BYTES = 8 * 1024 * 1024
# Hashing so much takes less time than handing it to a thread.
HASHED_AT_ONCE_BYTES = 128 * 1024
STORED_AS = "application/octet-stream"


class ObjectWriter:
    """Writes one object. What fits in one part is put whole, anything longer goes part by part while it arrives.

    The intent is committed before the first byte leaves. Until then nothing has to be cleared away.
    """

    def __init__(
        self,
        file_id: UUID,
        owner_id: str,
        *,
        transaction: Transaction,
        store: ObjectStore,
        sweeper: Sweeper,
        memory: Memory,
        at_most: int | None,
    ) -> None:
        """at_most: bytes that the file may turn out to have; None where nothing is known of that."""
        self._intent = Intent(file_id, object_key(file_id), None)
        self._owner_id = owner_id
        self._transaction = transaction
        self._store = store
        self._sweeper = sweeper
        self._memory = memory
        self._at_most = at_most
        self._room: Room | None = None
        self._digest = hashlib.sha256()
        self._data = bytearray()
        self._upload_id: str | None = None
        self._etags: list[str] = []
        self._sending: asyncio.Task[None] | None = None
        self._has_begun = False

    @property
    def key(self) -> str:
        """Where the bytes will lie."""
        return self._intent.object_key

    async def write(self, chunk: bytes) -> None:
        """The next bytes. Returns when there is room for more."""
        if self._room is None:
            self._room = await self._memory.take(self._room_needed)
        self._data += chunk
        if len(self._data) >= PART_BYTES:
            await self._send_part()

    async def finish(self) -> str:
        """Store what is left and make the object; returns the sha256 in hex."""
        if self._upload_id is None:
            data = self._take()
            if self._room is not None:
                self._room.fill()
            await self._hash(data)
            await self._begin()
            await self._store.put(self.key, data, media_type=STORED_AS, sha256=self._digest.hexdigest())
            self._give_back()
        else:
            if self._data:
                await self._send_part()
            await self._sent()
            await self._store.complete(self.key, self._upload_id, self._etags)
        return self._digest.hexdigest()

    async def discard(self) -> None:
        """Leave nothing behind. Safe at any moment, also while the caller is being cancelled."""
        self._data.clear()
        self._give_back()
        if self._sending is not None:
            # A part that is stored after its upload was aborted would stay.
            await asyncio.wait([self._sending])
        if self._has_begun:
            await self._sweeper.discard(self._intent.file_id)

    def _take(self) -> bytearray:
        # Not made bytes of: botocore would copy these, behind the request's head.
        data, self._data = self._data, bytearray()
        return data

    @property
    def _room_needed(self) -> int:
        return PART_BYTES if self._at_most is None else min(PART_BYTES, self._at_most)

    def _give_back(self) -> None:
        if self._room is not None:
            self._room.give_back()
            self._room = None

    async def _hash(self, data: bytearray) -> None:
        if len(data) <= HASHED_AT_ONCE_BYTES:
            self._digest.update(data)
        else:
            await asyncio.to_thread(self._digest.update, data)

    async def _begin(self) -> None:
        self._has_begun = True
        await self._sweeper.hold(self._intent, self._owner_id)

    async def _begin_multipart(self) -> str:
        await self._begin()
        upload_id = await self._store.begin(self.key, media_type=STORED_AS)
        async with self._transaction() as session:
            if not await IntentRepository(session).note_multipart(self._intent.file_id, upload_id):
                raise UnavailableError("The upload took too long to begin and was given up. Send it again.")
        return upload_id

    async def _send_part(self) -> None:
        assert self._room is not None
        self._room.fill()
        if self._upload_id is None:
            self._upload_id = await self._begin_multipart()
        await self._sent()
        room, self._room = self._room, None
        self._sending = asyncio.create_task(self._send(self._upload_id, self._take(), room))

    async def _sent(self) -> None:
        """Wait for the part that is on its way. Raises what went wrong with it."""
        if self._sending is not None:
            # Shielded: the thread that sends goes on when we are cancelled, and `discard` waits for it.
            await asyncio.shield(self._sending)
            self._sending = None

    async def _send(self, upload_id: str, data: bytearray, room: Room) -> None:
        try:
            await self._hash(data)
            self._etags.append(await self._store.add_part(self.key, upload_id, len(self._etags) + 1, data))
        finally:
            room.give_back()
