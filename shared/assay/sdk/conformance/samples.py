"""Files that the suite gives to an analyzer."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from assay.sdk.analyzer import Media
from assay.sdk.derived import Room

CUTS = (0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, slots=True)
class Sample:
    """A file, and how its analysis must end.

    outcome  `finding`; `not_applicable`: prepare or infer raises NotApplicableError; `unreadable`: prepare raises
             MediaUnreadableError or another permanent error
    label    of its finding; None: any of the manifest's
    """

    content: bytes
    media_type: str
    outcome: Literal["finding", "not_applicable", "unreadable"] = "finding"
    label: str | None = None
    title: str = ""

    def __str__(self) -> str:
        """As a fault names it."""
        return self.title or f"{len(self.content)} bytes of {self.media_type}"


@contextmanager
def media_of(sample: Sample, room: Room) -> Iterator[Media]:
    """The sample as a file that may only be read, alone in a folder, for the block."""
    with TemporaryDirectory(prefix="assay-conformance-") as folder:
        path = Path(folder, "content")
        path.write_bytes(sample.content)
        path.chmod(0o400)
        yield Media(path, sample.media_type, len(sample.content), hashlib.sha256(sample.content).hexdigest(), room)


def wrong(media_type: str) -> Sequence[Sample]:
    """Files that are not of this media type, whatever it is."""
    noise = random.Random(1).randbytes(4096)
    return (
        Sample(b"", media_type, title=f"an empty file as {media_type}"),
        Sample(noise, media_type, title=f"noise as {media_type}"),
        Sample(b"\0" * 4096, media_type, title=f"zeros as {media_type}"),
        Sample(b"%PDF-1.7\n% no document follows\n\xff\xfe", media_type, title=f"something else as {media_type}"),
    )


def truncated(sample: Sample) -> Sequence[Sample]:
    """The sample broken off at several places, the last byte among them."""
    ends = sorted({int(len(sample.content) * cut) for cut in CUTS} | {max(0, len(sample.content) - 1)})
    return [
        Sample(sample.content[:end], sample.media_type, title=f"{sample}, broken off after {end} bytes") for end in ends
    ]
