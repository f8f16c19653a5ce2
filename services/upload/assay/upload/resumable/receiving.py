"""The bytes of one request on their way into an upload: parts into S3, what is too little for a part into its tail.

An offset is only accepted, in one transaction with the parts that reach up to it, once its bytes are stored. What a
killed process had not accepted is less than one part.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from assay.shared.database import Transaction
from assay.shared.media_types import Sample
from assay.shared.objects import ObjectStore
from assay.upload.first_look import FIRST_LOOK_BYTES
from assay.upload.memory import Memory, Room
from assay.upload.resumable.domain import MAX_SEGMENTS, Part, Segment, Upload
from assay.upload.resumable.errors import ChecksumMismatchError, UploadBusyError
from assay.upload.resumable.headers import Checksum
from assay.upload.resumable.repository import UploadRepository
from assay.upload.resumable.trails import Trail
from assay.upload.storing import STORED_AS

log = structlog.get_logger(__name__)

# Raises RefusedFileError where the beginning of a file leaves no doubt that nobody takes it.
Look = Callable[[Sample], Awaitable[None]]


class Receiver:
    """Takes what one request brings. The caller holds the upload.

    Where the request names a checksum, nothing is accepted before its end; parts that turn out to be wrong are never
    listed, so S3 drops them with the end of the upload.
    """

    def __init__(
        self,
        upload: Upload,
        *,
        store: ObjectStore,
        transaction: Transaction,
        keep: timedelta,
        look: Look,
        checksum: Checksum | None,
        memory: Memory,
    ) -> None:
        self.upload = upload
        self._store = store
        self._transaction = transaction
        self._keep = keep
        self._look = look
        self._checksum = checksum
        self._memory = memory
        self._room: Room | None = None
        self._trail: Trail | None = None
        self._trail_before: Trail | None = None
        self._tail: list[Segment] = []
        self._buffer = bytearray()
        self._parts: list[Part] = []
        self._received = upload.offset

    @property
    def trail(self) -> Trail | None:
        """Of all that was accepted; None where some of it went through another process."""
        return self._trail

    @property
    def room(self) -> int:
        """How many more bytes the upload has."""
        return self.upload.length - self._received

    async def begin(self, trail: Trail | None) -> None:
        """trail: what this process remembers of the upload. An upload without parts is remembered by its tail too."""
        async with self._transaction() as session:
            self._tail = await UploadRepository(session).tail(self.upload.upload_id)
        if trail is None and self._tail and self._tail[0].offset == 0:
            trail = Trail()
            await self._take_room()
            await asyncio.to_thread(trail.add, await self._read_tail())
        self._trail = trail
        if self._checksum is not None and trail is not None:
            self._trail_before = trail.copy()

    async def write(self, chunk: bytes) -> None:
        """The next bytes, no more than there is room for. Returns when there may be more."""
        await self._take_room()
        self._received += len(chunk)
        self._buffer += chunk
        if self._trail is not None:
            self._trail.add(chunk)
            if not self.upload.is_typed and self._trail.offset >= FIRST_LOOK_BYTES:
                await self._look_at(self._trail.sample)
        if self._checksum is not None:
            self._checksum.digest.update(chunk)
        if self._tail_size + len(self._buffer) >= self.upload.part_bytes:
            await self._send_part()

    async def end(self) -> Upload:
        """All bytes of the request were there: accept them. Raises ChecksumMismatchError; then none is accepted."""
        if self._checksum is not None and not self._checksum.is_right:
            self._forget()
            raise ChecksumMismatchError(
                "The bytes that arrived do not have the checksum in `Upload-Checksum`. They were thrown away; "
                f"send them again from offset {self.upload.offset}.",
                offset=self.upload.offset,
            )
        if self._received == self.upload.length and (self._buffer or self._tail):
            await self._send_part()
        elif self._buffer:
            await self._extend_tail()
        if self._received != self.upload.offset:
            await self._accept()
        return self.upload

    async def break_off(self) -> Upload:
        """The request ended early: accept what is there, but nothing whose checksum cannot be told."""
        if self._checksum is not None:
            self._forget()
            return self.upload
        return await self.end()

    async def _take_room(self) -> None:
        """For a part, or for all that is left of the upload."""
        if self._room is None:
            left = self.upload.length - self.upload.offset + self._tail_size
            self._room = await self._memory.take(min(self.upload.part_bytes, left))

    def give_back(self) -> None:
        """Nothing of the request is in memory any more."""
        if self._room is not None:
            self._room.give_back()
            self._room = None

    def _forget(self) -> None:
        self._trail = self._trail_before
        self._buffer.clear()
        self._received = self.upload.offset

    @property
    def _tail_size(self) -> int:
        return sum(each.size for each in self._tail)

    async def _look_at(self, sample: Sample) -> None:
        await self._look(sample)
        async with self._transaction() as session:
            self._check(await UploadRepository(session).note_type(self.upload.upload_id, self.upload.fence))
        self._update(is_typed=True)

    async def _tail_pieces(self) -> list[bytes]:
        return [await self._store.read(each.object_key, at_most=each.size) for each in self._tail]

    async def _read_tail(self) -> bytes:
        return b"".join(await self._tail_pieces())

    async def _send_part(self) -> None:
        """Make tail and buffer one part."""
        await self._take_room()
        assert self._room is not None
        self._room.fill()
        if self._tail:
            data = bytearray().join([*await self._tail_pieces(), self._buffer])
            self._buffer.clear()
        else:
            data, self._buffer = self._buffer, bytearray()
        multipart_id = self.upload.multipart_id or await self._begin_multipart()
        async with self._transaction() as session:
            number = await UploadRepository(session).reserve_part(self.upload.upload_id, self.upload.fence)
        if number is None:
            raise _taken_over()
        etag = await self._store.add_part(self.upload.key, multipart_id, number, data)
        self._parts.append(Part(number, etag, len(data)))
        old, self._tail = self._tail, []
        if self._checksum is None:
            await self._accept()
            for each in old:
                await self._store.delete(each.object_key)
        del data
        self.give_back()

    async def _begin_multipart(self) -> str:
        multipart_id = await self._store.begin(self.upload.key, media_type=STORED_AS)
        async with self._transaction() as session:
            uploads = UploadRepository(session)
            self._check(await uploads.note_multipart(self.upload.upload_id, self.upload.fence, multipart_id))
        self._update(multipart_id=multipart_id)
        return multipart_id

    async def _extend_tail(self) -> None:
        """Store the buffer behind the tail; many small pieces become one."""
        old: list[Segment] = []
        data = bytes(self._buffer)
        offset = self._received - len(data)
        if len(self._tail) >= MAX_SEGMENTS:
            old, offset = self._tail, self._tail[0].offset
            data = await self._read_tail() + data
            self._tail = []
        # No two holders have the same fence, so none writes over another's object.
        key = f"{self.upload.prefix}tail/{self.upload.fence}-{offset}-{len(data)}"
        await self._store.put(key, data, media_type=STORED_AS)
        self._tail = [*self._tail, Segment(offset, len(data), key)]
        self._buffer.clear()
        if old:
            await self._accept()
            for each in old:
                if each.object_key != key:
                    await self._store.delete(each.object_key)

    async def _accept(self) -> None:
        """Write down, in one transaction, what is stored."""
        async with self._transaction() as session:
            upload = await UploadRepository(session).advance(
                self.upload.upload_id,
                self.upload.fence,
                offset=self._received,
                keep=self._keep,
                parts=self._parts,
                tail=self._tail,
            )
        if upload is None:
            raise _taken_over()
        self.upload = upload
        self._parts = []

    def _update(self, **values: object) -> None:
        self.upload = self.upload.having(**values)

    @staticmethod
    def _check(is_holder: bool) -> None:
        if not is_holder:
            raise _taken_over()


def _taken_over() -> UploadBusyError:
    return UploadBusyError("Another request has taken this upload over. Ask for its offset and go on from there.")
