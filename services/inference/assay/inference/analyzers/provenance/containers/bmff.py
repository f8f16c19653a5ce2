"""ISO base media files (HEIC, AVIF, MP4 …): Exif and XMP items, and the XMP box of videos.

Source: ISO/IEC 14496-12 (boxes, `meta`, `iinf`, `iloc`), ISO/IEC 23008-12 annex A (Exif and XMP items),
ISO 16684-1 annex A (XMP in MPEG-4).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from assay.inference.analyzers.provenance.entries import Entries
from assay.inference.analyzers.provenance.exif import read_exif
from assay.inference.analyzers.provenance.xmp import MAX_PACKET, read_xmp

MAX_BOXES = 1000
MAX_META = 8 * 1024 * 1024
MAX_ITEMS = 4096
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    start: int
    end: int


def read_bmff(file: BinaryIO, entries: Entries) -> None:
    """Read the items of the file's `meta` box and its XMP `uuid` box."""
    file.seek(0, 2)
    for box in _boxes(file, 0, file.tell()):
        if box.kind == b"uuid" and _read(file, box.start, 16) == _XMP_UUID:
            read_xmp(_read(file, box.start + 16, min(box.end - box.start - 16, MAX_PACKET)), entries)
        elif box.kind == b"meta" and box.end - box.start <= MAX_META:
            for kind, start, size in _items(_read(file, box.start + 4, box.end - box.start - 4)):
                if size > MAX_PACKET:
                    entries.problem("A metadata item is larger than is read; it was left out.")
                elif kind == "xmp":
                    read_xmp(_read(file, start, size), entries)
                else:
                    _exif_item(_read(file, start, size), entries)


def _exif_item(body: bytes, entries: Entries) -> None:
    """The first four bytes say how many more to pass over before the TIFF header."""
    if len(body) > 4:
        (skip,) = struct.unpack(">I", body[:4])
        read_exif(body[4 + skip :], entries)


def _read(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(max(size, 0))


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[_Box]:
    """The boxes between two offsets; a damaged size ends them."""
    for _ in range(MAX_BOXES):
        header = _read(file, start, 16)
        if start + 8 > end or len(header) < 8:
            return
        size, kind = struct.unpack(">I4s", header[:8])
        body = start + 8
        if size == 1 and len(header) == 16:
            size, body = struct.unpack(">Q", header[8:])[0], start + 16
        elif size == 0:
            size = end - start
        if size < body - start or start + size > end:
            return
        yield _Box(kind, body, start + size)
        start += size


def _items(meta: bytes) -> list[tuple[str, int, int]]:
    """(kind, offset in the file, size) of the Exif and XMP items with one extent in the file itself."""
    boxes = dict(_child_boxes(meta))
    try:
        kinds = _item_kinds(boxes.get(b"iinf", b""))
        return [
            (kinds[item], start, size) for item, start, size in _locations(boxes.get(b"iloc", b"")) if item in kinds
        ]
    except (struct.error, IndexError):
        return []


def _child_boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        if size < 8:
            return
        yield kind, data[at + 8 : at + size]
        at += size


def _item_kinds(iinf: bytes) -> dict[int, str]:
    kinds: dict[int, str] = {}
    if not iinf:
        return kinds
    for name, entry in _child_boxes(iinf[6 if iinf[0] == 0 else 8 :]):
        if name != b"infe" or len(entry) < 12 or entry[0] not in (2, 3):
            continue
        wide = 4 if entry[0] == 3 else 2
        item = int.from_bytes(entry[4 : 4 + wide], "big")
        kind = entry[6 + wide : 10 + wide]
        if kind == b"Exif":
            kinds[item] = "exif"
        elif kind == b"mime" and b"application/rdf+xml" in entry[10 + wide :]:
            kinds[item] = "xmp"
        if len(kinds) > MAX_ITEMS:
            break
    return kinds


def _locations(iloc: bytes) -> Iterator[tuple[int, int, int]]:
    if not iloc:
        return
    version, sizes = iloc[0], struct.unpack(">H", iloc[4:6])[0]
    offset_size, length_size, base_size = sizes >> 12, (sizes >> 8) & 15, (sizes >> 4) & 15
    index_size = sizes & 15 if version in (1, 2) else 0
    wide = 4 if version == 2 else 2
    at = 6 + wide
    for _ in range(min(int.from_bytes(iloc[6:at], "big"), MAX_ITEMS)):
        item = int.from_bytes(iloc[at : at + wide], "big")
        at += wide
        method = 0
        if version in (1, 2):
            method = iloc[at + 1] & 15
            at += 2
        at += 2  # data reference index
        base = int.from_bytes(iloc[at : at + base_size], "big")
        at += base_size
        (extents,) = struct.unpack(">H", iloc[at : at + 2])
        at += 2 + index_size
        start = base + int.from_bytes(iloc[at : at + offset_size], "big")
        size = int.from_bytes(iloc[at + offset_size : at + offset_size + length_size], "big")
        at += offset_size + length_size + (extents - 1) * (index_size + offset_size + length_size)
        if extents == 1 and method == 0:
            yield item, start, size
