"""Finds metadata in image containers without decoding pixels.

A container is known by its first bytes, not by its name or media type. Formats that are not here (PDF, sound, SVG …)
are examined for content credentials only.
"""

from pathlib import Path
from typing import BinaryIO

from assay.inference.analyzers.provenance.containers.bmff import read_bmff
from assay.inference.analyzers.provenance.containers.jpeg import read_jpeg
from assay.inference.analyzers.provenance.containers.png import read_png
from assay.inference.analyzers.provenance.containers.webp import read_webp
from assay.inference.analyzers.provenance.entries import Entries
from assay.inference.analyzers.provenance.exif import read_tiff


def read_container(path: Path, entries: Entries) -> str | None:
    """Read the metadata of the file into `entries`; returns the container's name, None if it is not one of these."""
    with path.open("rb") as file:
        head = file.read(16)
        file.seek(0)
        return _dispatch(head, file, entries)


def _dispatch(head: bytes, file: BinaryIO, entries: Entries) -> str | None:
    if head.startswith(b"\xff\xd8\xff"):
        read_jpeg(file, entries)
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        read_png(file, entries)
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        read_webp(file, entries)
        return "webp"
    if head[:4] in (b"II*\x00", b"MM\x00*"):
        read_tiff(file, entries)
        return "tiff"
    if head[4:8] == b"ftyp":
        read_bmff(file, entries)
        return "bmff"
    return None
