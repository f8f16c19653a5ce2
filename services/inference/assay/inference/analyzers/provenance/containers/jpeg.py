"""JPEG segments: Exif and XMP (APP1), Photoshop resources with IPTC (APP13), comments.

Source: ITU-T T.81 annex B; Exif 3.0 section 4.7; XMP part 3 (ISO 16684-1 annex A.3.3) for extended packets.
"""

import struct
from typing import BinaryIO

from assay.inference.analyzers.provenance.entries import Entries
from assay.inference.analyzers.provenance.exif import read_exif
from assay.inference.analyzers.provenance.iptc import read_photoshop
from assay.inference.analyzers.provenance.xmp import MAX_PACKET, read_xmp

MAX_SEGMENTS = 5000
_XMP = b"http://ns.adobe.com/xap/1.0/\x00"
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\x00"
_PHOTOSHOP = b"Photoshop 3.0\x00"
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_SCAN, _END, _TABLES = 0xDA, 0xD9, 0xDB


def read_jpeg(file: BinaryIO, entries: Entries) -> None:
    """Read the segments up to the first scan."""
    file.seek(2)
    photoshop, extended = bytearray(), bytearray()
    for _ in range(MAX_SEGMENTS):
        marker = _next_marker(file)
        if marker is None:
            entries.problem("The JPEG ends before its picture begins.")
            break
        if marker in (_SCAN, _END):
            break
        if marker in _STANDALONE:
            continue
        body = _body(file)
        if body is None:
            entries.problem("A JPEG segment is damaged; what stands after it was not read.")
            break
        if marker == 0xE1 and body[:6] in (b"Exif\x00\x00", b"EXIF\x00\x00"):
            read_exif(body, entries)
        elif marker == 0xE1 and body.startswith(_XMP):
            read_xmp(body[len(_XMP) :], entries)
        elif marker == 0xE1 and body.startswith(_EXTENDED_XMP) and len(extended) < MAX_PACKET:
            # GUID (32), full length (4) and offset (4) precede each part; parts come in order in practice.
            extended += body[len(_EXTENDED_XMP) + 40 :]
        elif marker == 0xED and body.startswith(_PHOTOSHOP) and len(photoshop) < MAX_PACKET:
            photoshop += body[len(_PHOTOSHOP) :]
        elif marker == _TABLES and body[:1] == b"\x00":
            # The first of a segment's tables, of eight bits, number 0: luma in every picture that people make.
            entries.luma_table = entries.luma_table or body[1:65]
        elif marker == 0xFE:
            entries.add("jpeg", "comment", body.decode("utf-8", "replace"))
    read_photoshop(bytes(photoshop), entries)
    if extended:
        read_xmp(bytes(extended), entries)


def _next_marker(file: BinaryIO) -> int | None:
    """The next marker's code; bytes between segments are passed over, within a bound."""
    window = file.read(2)
    for _ in range(64 * 1024):
        if len(window) < 2:
            return None
        if window[0] == 0xFF and window[1] not in (0x00, 0xFF):
            return window[1]
        window = window[1:] + file.read(1)
    return None


def _body(file: BinaryIO) -> bytes | None:
    length = file.read(2)
    if len(length) < 2:
        return None
    size = struct.unpack(">H", length)[0] - 2
    body = file.read(max(size, 0))
    return body if size >= 0 and len(body) == size else None
