"""What a process remembers of the bytes that went through it: the state of their hash, and both ends for their type.

Neither can move to another process. Where an upload changed hands, the finished object is read once instead.
"""

import copy
import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING
from uuid import UUID

from assay.shared.media_types import Sample
from assay.upload.resumable.domain import Upload

if TYPE_CHECKING:
    from hashlib import _Hash

# About 9 KiB each.
REMEMBERED = 2000


class Trail:
    """The bytes of an upload from its beginning up to `offset`."""

    def __init__(self) -> None:
        self.digest: _Hash = hashlib.sha256()
        self.sample = Sample()

    @property
    def offset(self) -> int:
        """How many bytes went by."""
        return self.sample.size

    def add(self, data: bytes) -> None:
        """The next bytes. Blocks: 1 ms for a MiB."""
        self.sample.add(data)
        self.digest.update(data)

    def copy(self) -> "Trail":
        """One that goes on by itself."""
        twin = Trail()
        twin.digest = self.digest.copy()
        twin.sample = copy.deepcopy(self.sample)
        return twin


class Trails:
    """The trails of this process' uploads, the latest 2000."""

    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, tuple[int, Trail]] = OrderedDict()

    def take(self, upload: Upload) -> Trail | None:
        """The trail of an upload that was just taken; None where another process had it since, or something is missing.

        Every holder has the next fence, so the one before this is ours if nobody was between.
        """
        fence, trail = self._kept.pop(upload.upload_id, (0, None))
        if trail is not None and fence == upload.fence - 1 and trail.offset == upload.offset:
            return trail
        return Trail() if upload.offset == 0 else None

    def keep(self, upload: Upload, trail: Trail) -> None:
        """Remember a trail for the next request."""
        self._kept[upload.upload_id] = (upload.fence, trail)
        while len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)
