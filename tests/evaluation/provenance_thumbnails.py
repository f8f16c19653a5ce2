"""Whether `provenance` tells a picture's own thumbnail in Exif from that of another picture."""

import struct
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from analyzers.provenance.exif_blocks import exif

from assay.inference.analyzers.provenance.metadata import read_metadata
from assay.sdk import Finding
from evaluation.rows import Row, share

OTHER = "other"
"""What the analyzer's details call the thumbnail of another picture."""

_START, _EXIF_SEGMENT = b"\xff\xd8", b"\xff\xe1"

Examine = Callable[[Path], Finding | None]


def rows_of_thumbnails(examine: Examine, files: Sequence[Path], scratch: Path) -> list[Row]:
    """Shares of camera JPEGs whose thumbnail is called another picture's.

    `provenance/thumbnail/own`: as the camera wrote them.  `provenance/thumbnail/other`: in each lies the thumbnail of
    the file before it, and no other metadata. Files without a thumbnail do not count.
    """
    thumbnails = {path: read_metadata(path).thumbnail for path in files}
    carrying = {path: thumbnail for path, thumbnail in thumbnails.items() if thumbnail is not None}
    own = sum(outcome_of(examine(path)) == OTHER for path in carrying)
    swapped = scratch / "swapped.jpg"
    other, pairs = 0, list(pairwise([*list(carrying)[-1:], *carrying]))
    for before, path in pairs:
        swapped.write_bytes(with_thumbnail(path.read_bytes(), carrying[before]))
        other += outcome_of(examine(swapped)) == OTHER
    return [
        share("provenance/thumbnail/own", own, len(carrying), aim=0.0),
        share("provenance/thumbnail/other", other, len(pairs)),
    ]


def outcome_of(finding: Finding | None) -> str | None:
    """What is said of the thumbnail; None where none was compared."""
    compared = finding.details["consistency"]["thumbnail"] if finding else None
    return str(compared["outcome"]) if compared else None


def with_thumbnail(content: bytes, thumbnail: bytes) -> bytes:
    """The JPEG with a thumbnail as its only Exif; its pixels are not compressed again."""
    block = exif(thumbnail=thumbnail)
    if not content.startswith(_START):
        raise ValueError("This is no JPEG.")
    return _START + _EXIF_SEGMENT + struct.pack(">H", len(block) + 2) + block + _without_exif(content)


def _without_exif(content: bytes) -> bytes:
    """What follows the start of a JPEG, without its segments of Exif and XMP."""
    kept, at = bytearray(), len(_START)
    while content[at : at + 1] == b"\xff" and content[at + 1] != 0xDA:
        end = at + 2 + struct.unpack(">H", content[at + 2 : at + 4])[0]
        if content[at : at + 2] != _EXIF_SEGMENT:
            kept += content[at:end]
        at = end
    return bytes(kept) + content[at:]
