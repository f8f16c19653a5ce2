"""WebP chunks: EXIF and XMP. Source: RFC 9649, section 2.7."""

import struct
from typing import BinaryIO

from assay.inference.analyzers.provenance.entries import Entries
from assay.inference.analyzers.provenance.exif import read_exif
from assay.inference.analyzers.provenance.xmp import MAX_PACKET, read_xmp

MAX_CHUNKS = 10_000


def read_webp(file: BinaryIO, entries: Entries) -> None:
    """Read the metadata chunks, wherever they stand."""
    at = 12
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        header = file.read(8)
        if len(header) < 8:
            return
        kind, size = struct.unpack("<4sI", header)
        if kind in (b"EXIF", b"XMP "):
            if size > MAX_PACKET:
                entries.problem("A metadata chunk in the WebP is larger than is read; it was left out.")
            else:
                body = file.read(size)
                read_exif(body, entries) if kind == b"EXIF" else read_xmp(body, entries)
        at += 8 + size + size % 2
