"""Reads the Exif fields that matter here, from a blob or a TIFF file.

A general reader loads every tag into memory; a hostile directory may point 65,535 tags at the same megabytes. This
one reads named tags only, each within a bound. Source: TIFF 6.0 section 2, Exif 3.0 (CIPA DC-008) section 4.6.
"""

import io
import struct
from typing import BinaryIO

from assay.inference.analyzers.provenance.entries import Entries
from assay.inference.analyzers.provenance.iptc import read_iptc
from assay.inference.analyzers.provenance.xmp import read_xmp

MAX_FIELD = 4 * 1024 * 1024
MAX_TAGS = 2000

_TEXT_TAGS = {
    0x000B: "ProcessingSoftware",
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x0132: "DateTime",
    0x013B: "Artist",
    0x8298: "Copyright",
    0x9003: "DateTimeOriginal",
    0x9004: "DateTimeDigitized",
    0xA433: "LensMake",
    0xA434: "LensModel",
}
_WIDE_TEXT_TAGS = {0x9C9B: "XPTitle", 0x9C9C: "XPComment", 0x9C9D: "XPAuthor", 0x9C9E: "XPKeywords"}
_PRESENCE_TAGS = {0x829A: "ExposureTime", 0x829D: "FNumber", 0x8827: "ISO", 0x920A: "FocalLength"}
_USER_COMMENT = 0x9286
_XMP, _IPTC = 0x02BC, 0x83BB
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}


def read_exif(blob: bytes, entries: Entries) -> None:
    """Read an Exif block, with or without its prefix of six bytes, into `entries`."""
    read_tiff(io.BytesIO(blob[6:] if blob[:6] in (b"Exif\x00\x00", b"EXIF\x00\x00") else blob), entries)


def read_tiff(file: BinaryIO, entries: Entries) -> None:
    """Read the first image's directory of a TIFF file, its Exif directory, and the XMP and IPTC that it holds."""
    header = file.read(8)
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(header[:4])
    if order is None or len(header) < 8:
        entries.problem("The Exif data is damaged or of a kind that is not read.")
        return
    reader = _Directory(file, order, entries)
    sub = reader.read(struct.unpack(order + "I", header[4:])[0])
    if sub:
        reader.read(sub)


class _Directory:
    def __init__(self, file: BinaryIO, order: str, entries: Entries) -> None:
        self._file, self._order, self._entries = file, order, entries

    def read(self, offset: int) -> int:
        """Read one directory; returns the offset of the Exif directory, 0 if it names none."""
        self._file.seek(offset)
        count_bytes = self._file.read(2)
        if len(count_bytes) < 2:
            self._entries.problem("The Exif data ends too early.")
            return 0
        count = min(struct.unpack(self._order + "H", count_bytes)[0], MAX_TAGS)
        table = self._file.read(12 * count)
        exif_offset = 0
        seen: set[int] = set()
        for at in range(0, len(table) - 11, 12):
            tag, kind, number = struct.unpack(self._order + "HHI", table[at : at + 8])
            if tag in seen:
                continue
            seen.add(tag)
            if tag == _EXIF_IFD:
                exif_offset = struct.unpack(self._order + "I", table[at + 8 : at + 12])[0]
            else:
                self._field(tag, kind, number, table[at + 8 : at + 12])
        return exif_offset

    def _field(self, tag: int, kind: int, number: int, inline: bytes) -> None:
        if tag == _GPS_IFD:
            self._entries.add("exif", "GPS", "present")
        elif tag in _PRESENCE_TAGS:
            self._entries.add("exif", _PRESENCE_TAGS[tag], "present")
        elif tag in _TEXT_TAGS:
            self._entries.add("exif", _TEXT_TAGS[tag], plain_text(self._value(kind, number, inline)))
        elif tag in _WIDE_TEXT_TAGS:
            self._entries.add(
                "exif", _WIDE_TEXT_TAGS[tag], self._value(kind, number, inline).decode("utf-16-le", "replace")
            )
        elif tag == _USER_COMMENT:
            self._entries.add("exif", "UserComment", user_comment(self._value(kind, number, inline)))
        elif tag == _XMP:
            read_xmp(self._value(kind, number, inline), self._entries)
        elif tag == _IPTC:
            read_iptc(self._value(kind, number, inline), self._entries)

    def _value(self, kind: int, number: int, inline: bytes) -> bytes:
        size = _TYPE_SIZES.get(kind, 1) * number
        if size <= 4:
            return inline[:size]
        if size > MAX_FIELD:
            self._entries.problem("An Exif field is larger than is read; it was cut.")
        self._file.seek(struct.unpack(self._order + "I", inline)[0])
        return self._file.read(min(size, MAX_FIELD))


def plain_text(raw: bytes) -> str:
    """Text up to its NUL: UTF-8 (which Exif 3.0 allows and people write anyway), else Latin-1."""
    raw = raw.split(b"\x00", 1)[0]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def user_comment(raw: bytes) -> str:
    """A UserComment: eight bytes name its code. UTF-16 comes in either byte order, whatever the block's own order."""
    code, text = raw[:8], raw[8:]
    if code == b"UNICODE\x00":
        if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return text.decode("utf-16", "replace")
        # The high byte of most characters in use is zero: the side with more zeros is the high one.
        big_endian = text[0::2].count(0) >= text[1::2].count(0)
        return text.decode("utf-16-be" if big_endian else "utf-16-le", "replace")
    if code in (b"ASCII\x00\x00\x00", b"\x00" * 8, b"JIS\x00\x00\x00\x00\x00"):
        raw = text
    return plain_text(raw)
