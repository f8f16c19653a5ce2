"""Reads the Exif fields that matter here, from a blob or a TIFF file.

A general reader loads every tag into memory; a hostile directory may point 65,535 tags at the same megabytes. This
one reads named tags only, each within a bound. Source: TIFF 6.0 section 2, Exif 3.0 (CIPA DC-008) section 4.6.
"""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

from assay.inference.analyzers.provenance.entries import Entries
from assay.inference.analyzers.provenance.iptc import read_iptc
from assay.inference.analyzers.provenance.xmp import read_xmp

MAX_FIELD = 4 * 1024 * 1024
MAX_TAGS = 2000
MAX_THUMBNAIL = 512 * 1024
_MAKER_NOTE_HEAD = 16

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
_NUMBER_TAGS = {
    0x0112: "Orientation",
    0x829A: "ExposureTime",
    0x829D: "FNumber",
    0x8827: "ISO",
    0x920A: "FocalLength",
    0xA002: "PixelXDimension",
    0xA003: "PixelYDimension",
    0xA405: "FocalLengthIn35mmFilm",
}
_USER_COMMENT, _MAKER_NOTE = 0x9286, 0x927C
_XMP, _IPTC = 0x02BC, 0x83BB
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_GPS_DATE = 0x001D
_THUMBNAIL, _THUMBNAIL_SIZE = 0x0201, 0x0202
_NUMBERS = {3: "H", 4: "I", 5: "II", 8: "h", 9: "i", 10: "ii"}
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}


def read_exif(blob: bytes, entries: Entries) -> None:
    """Read an Exif block, with or without its prefix of six bytes, and its thumbnail into `entries`."""
    file = io.BytesIO(blob[6:] if blob[:6] in (b"Exif\x00\x00", b"EXIF\x00\x00") else blob)
    after = read_tiff(file, entries)
    if after is not None:
        _read_thumbnail(file, *after, entries)


def read_tiff(file: BinaryIO, entries: Entries) -> tuple[str, int] | None:
    """Read the first image's directory of a TIFF file, its Exif and GPS directories, and the XMP and IPTC in them.

    Returns the byte order and the offset of the directory after the first one; None where there is none to read.
    """
    header = file.read(8)
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(header[:4])
    if order is None or len(header) < 8:
        entries.problem("The Exif data is damaged or of a kind that is not read.")
        return None
    reader = _Directory(file, order, entries)
    after = reader.read(struct.unpack(order + "I", header[4:])[0])
    if reader.exif_offset:
        reader.read(reader.exif_offset)
    if reader.gps_offset:
        reader.read_gps(reader.gps_offset)
    return (order, after) if after else None


def _read_thumbnail(file: BinaryIO, order: str, offset: int, entries: Entries) -> None:
    """Keep the JPEG that the second directory of an Exif block points at (Exif 3.0, 4.5.5)."""
    found: dict[int, int] = {}
    for tag, kind, number, inline in _table(file, order, offset):
        if tag in (_THUMBNAIL, _THUMBNAIL_SIZE) and kind in (3, 4) and number == 1:
            found.setdefault(tag, struct.unpack_from(order + _NUMBERS[kind], inline)[0])
    size = found.get(_THUMBNAIL_SIZE, 0)
    if _THUMBNAIL in found and 0 < size <= MAX_THUMBNAIL:
        file.seek(found[_THUMBNAIL])
        data = file.read(size)
        if data.startswith(b"\xff\xd8\xff"):
            entries.thumbnail = entries.thumbnail or data


def _table(file: BinaryIO, order: str, offset: int) -> Iterator[tuple[int, int, int, bytes]]:
    """(tag, type, number of values, the four bytes that hold or point at them) of each field of a directory."""
    file.seek(offset)
    count = file.read(2)
    if len(count) == 2:
        table = file.read(12 * min(struct.unpack(order + "H", count)[0], MAX_TAGS))
        for at in range(0, len(table) - 11, 12):
            tag, kind, number = struct.unpack(order + "HHI", table[at : at + 8])
            yield tag, kind, number, table[at + 8 : at + 12]


class _Directory:
    def __init__(self, file: BinaryIO, order: str, entries: Entries) -> None:
        self._file, self._order, self._entries = file, order, entries
        self.exif_offset = self.gps_offset = 0

    def read(self, offset: int) -> int:
        """Read one directory; returns the offset of the next one, 0 if there is none."""
        self._file.seek(offset)
        count = self._file.read(2)
        if len(count) < 2:
            self._entries.problem("The Exif data ends too early.")
            return 0
        seen: set[int] = set()
        # The table is read whole before the values are, which lie elsewhere in the file.
        for tag, kind, number, inline in list(_table(self._file, self._order, offset)):
            if tag in seen:
                continue
            seen.add(tag)
            if tag == _EXIF_IFD:
                self.exif_offset = self.exif_offset or struct.unpack(self._order + "I", inline)[0]
            else:
                self._field(tag, kind, number, inline)
        self._file.seek(offset + 2 + 12 * struct.unpack(self._order + "H", count)[0])
        link = self._file.read(4)
        return int(struct.unpack(self._order + "I", link)[0]) if len(link) == 4 else 0

    def read_gps(self, offset: int) -> None:
        """Read the date of a position, in UTC."""
        for tag, kind, number, inline in list(_table(self._file, self._order, offset)):
            if tag == _GPS_DATE:
                self._entries.add("exif", "GPSDateStamp", plain_text(self._value(kind, number, inline)))

    def _field(self, tag: int, kind: int, number: int, inline: bytes) -> None:
        if tag == _GPS_IFD:
            self.gps_offset = self.gps_offset or struct.unpack(self._order + "I", inline)[0]
            self._entries.add("exif", "GPS", "present")
        elif tag in _NUMBER_TAGS:
            self._entries.add("exif", _NUMBER_TAGS[tag], self._number(kind, number, inline))
        elif tag in _TEXT_TAGS:
            self._entries.add("exif", _TEXT_TAGS[tag], plain_text(self._value(kind, number, inline)))
        elif tag in _WIDE_TEXT_TAGS:
            self._entries.add(
                "exif", _WIDE_TEXT_TAGS[tag], self._value(kind, number, inline).decode("utf-16-le", "replace")
            )
        elif tag == _USER_COMMENT:
            self._entries.add("exif", "UserComment", user_comment(self._value(kind, number, inline)))
        elif tag == _MAKER_NOTE:
            self._entries.maker_note = self._value(7, min(number, _MAKER_NOTE_HEAD), inline)
        elif tag == _XMP:
            read_xmp(self._value(kind, number, inline), self._entries)
        elif tag == _IPTC:
            read_iptc(self._value(kind, number, inline), self._entries)

    def _number(self, kind: int, number: int, inline: bytes) -> str:
        """The first value as text; “present” where it is none."""
        form = _NUMBERS.get(kind)
        raw = self._value(kind, 1, inline) if number and form else b""
        if form is None or len(raw) < struct.calcsize(self._order + form):
            return "present"
        values = struct.unpack_from(self._order + form, raw)
        if len(values) == 1:
            return str(values[0])
        return f"{values[0] / values[1]:.6g}" if values[1] else "present"

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
