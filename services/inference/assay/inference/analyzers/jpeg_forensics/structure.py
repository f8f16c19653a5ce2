"""How a JPEG file is laid out: its markers in their order, and the tables that it was compressed with.

Nothing is decoded here, and nothing that is damaged is an error: what was read until then is told. The formats are
those of ITU-R T.81 (markers, tables), T.871 (JFIF) and EXIF 2.3 (thumbnail).
"""

import hashlib
import mmap
import re
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import ExifTags, Image

Table = tuple[int, ...]

_PROCESSES = {
    0xC0: "baseline",
    0xC1: "extended sequential",
    0xC2: "progressive",
    0xC3: "lossless",
    0xC9: "arithmetic sequential",
    0xCA: "arithmetic progressive",
}
_SOI, _EOI, _SOS, _DQT, _DHT, _DRI, _COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xFE
_NAMES = {_DQT: "DQT", _DHT: "DHT", _DRI: "DRI", _COM: "COM", _SOS: "SOS", 0xDC: "DNL"}
# How the payload of an application's segment begins.
_APPLICATIONS = {
    b"JFIF\0": "JFIF",
    b"JFXX\0": "JFXX",
    b"Exif\0": "Exif",
    b"http://ns.adobe.com/xap/1.0/\0": "XMP",
    b"http://ns.adobe.com/xmp/extension/\0": "XMP",
    b"ICC_PROFILE\0": "ICC",
    b"MPF\0": "MPF",
    b"Photoshop 3.0\0": "Photoshop",
    b"Adobe": "Adobe",
    b"Ducky": "Ducky",
    b"JP": "C2PA",
    b"AVI1": "AVI",
}
_MARKER_IN_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_ZIGZAG = sorted(
    range(64),
    key=lambda at: (
        at // 8 + at % 8,
        (at // 8 if (at // 8 + at % 8) % 2 else -(at // 8)),
    ),
)
# The first 16 digits of SHA-256 of counts and values of the typical Huffman tables, T.81 Annex K.3.
_TYPICAL_HUFFMAN = frozenset({"2f66814c875b5317", "a6283a08f5d97906", "602f734c8c12c1d9", "13f90e3c9dc476c6"})
_KEPT_MARKERS, _KEPT_COMMENTS, _KEPT_TEXT = 48, 3, 120
_THUMBNAIL_AT, _THUMBNAIL_SIZE = 0x0201, 0x0202
_MAKE, _MODEL = 0x010F, 0x0110


@dataclass(frozen=True, slots=True)
class Component:
    """A plane of colour: how much it is sampled across and down, and the number of its quantisation table."""

    number: int
    across: int
    down: int
    table: int


@dataclass(frozen=True, slots=True)
class JpegStructure:
    """What stands around the coefficients.

    markers           names of the segments in their order, up to the first scan: APP0 JFIF, DQT, SOF0 …
    process           baseline, progressive …
    precision         bits of a sample
    components        luminance first
    tables            quantisation tables by number, 64 steps each, row by row
    huffman           "typical" if all tables are those that the standard gives as typical, "optimised" if some are the
                      file's own, None if there are none
    restart_interval  blocks (of all components) between restart markers, 0 for none
    scans             1 in most baseline files, about 10 in progressive ones
    adobe_transform   colours as Adobe's marker tells them: 0 none, 1 YCbCr, 2 YCCK
    comments          as far as they are text
    facebook          whether the Photoshop segment holds the mark FBMD
    make, model       of EXIF
    after             bytes behind the end of the picture
    thumbnail         of EXIF, itself a JPEG
    """

    markers: tuple[str, ...] = ()
    process: str = ""
    precision: int = 8
    components: tuple[Component, ...] = ()
    tables: dict[int, Table] = field(default_factory=dict)
    huffman: str | None = None
    restart_interval: int = 0
    scans: int = 0
    adobe_transform: int | None = None
    comments: tuple[str, ...] = ()
    facebook: bool = False
    make: str | None = None
    model: str | None = None
    after: int = 0
    thumbnail: "JpegStructure | None" = None

    @property
    def is_rgb(self) -> bool:
        """Whether three planes are red, green and blue, as libjpeg decides it."""
        if len(self.components) != 3 or "APP0 JFIF" in self.markers:
            return False
        if self.adobe_transform is not None:
            return self.adobe_transform == 0
        return bytes(part.number for part in self.components) == b"RGB"

    @property
    def luminance(self) -> Table | None:
        """The table of luminance; None where the first plane is something else."""
        return self._table(0) if len(self.components) in (1, 3) and not self.is_rgb else None

    @property
    def chrominance(self) -> Table | None:
        """The table of the first plane of colour differences."""
        return self._table(1) if len(self.components) == 3 and not self.is_rgb else None

    @property
    def sampling(self) -> str | None:
        """Of colour against luminance, as 4:2:0; the factors where that has no name; None without colour."""
        if len(self.components) != 3:
            return None
        first, *others = ((part.across, part.down) for part in self.components)
        if set(others) == {(1, 1)} and first in _SAMPLINGS:
            return _SAMPLINGS[first]
        return ", ".join(f"{across}x{down}" for across, down in (first, *others))

    def _table(self, component: int) -> Table | None:
        table = self.tables.get(self.components[component].table)
        return table if table is not None and min(table) > 0 else None


_SAMPLINGS = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1", (4, 2): "4:1:0"}


def read_structure(path: Path) -> JpegStructure | None:
    """Read a file's layout. None where it has no frame. The file is mapped, not read into memory."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return structure_of(data)


def structure_of(data: bytes | mmap.mmap, *, is_thumbnail: bool = False) -> JpegStructure | None:
    """Read the layout of a JPEG in memory."""
    reader = _Reader()
    for marker, start, end in _segments(data):
        reader.take(marker, data[start:end] if marker != _EOI else b"")
        reader.end = end
    if not reader.found.components:
        return None
    # Cameras leave an unused byte or two; a second picture is more.
    found = replace(reader.found, after=max(0, len(data) - reader.end), markers=tuple(reader.markers))
    return found if is_thumbnail else _with_exif(found, reader.exif)


def _segments(data: bytes | mmap.mmap) -> Iterator[tuple[int, int, int]]:
    """Marker, and where its content begins and ends. The entropy coded bytes of a scan are passed over."""
    at, size = 2, len(data)
    while at + 4 <= size and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker == _EOI:
            yield _EOI, at + 2, at + 2
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if length < 2 or end > size:
            return
        yield marker, at + 4, end
        at = end
        if marker == _SOS:
            following = _MARKER_IN_SCAN.search(data, end)
            if following is None:
                return
            at = following.start()
    if data[at : at + 2] == b"\xff\xd9":
        yield _EOI, at + 2, at + 2


class _Reader:
    """Gathers what the segments say."""

    def __init__(self) -> None:
        self.found = JpegStructure()
        self.markers: list[str] = []
        self.exif = b""
        self.end = 0

    def take(self, marker: int, content: bytes) -> None:
        if not self.found.scans and len(self.markers) < _KEPT_MARKERS and marker != _EOI:
            self.markers.append(_name(marker, content))
        try:
            self._read(marker, content)
        except (struct.error, IndexError, ValueError):
            return  # a damaged segment says nothing; the decoder will judge the file

    def _read(self, marker: int, content: bytes) -> None:
        found = self.found
        if marker == _DQT:
            self.found = replace(found, tables=found.tables | dict(_quantisation(content)))
        elif marker == _DHT and found.scans == 0:
            typical = all(digest in _TYPICAL_HUFFMAN for digest in _huffman(content))
            state = "typical" if typical and found.huffman in (None, "typical") else "optimised"
            self.found = replace(found, huffman=state)
        elif marker == _DRI:
            self.found = replace(found, restart_interval=int.from_bytes(content[:2], "big"))
        elif marker == _SOS:
            self.found = replace(found, scans=found.scans + 1)
        elif marker == _COM and len(found.comments) < _KEPT_COMMENTS:
            text = _text(content)
            self.found = replace(found, comments=(*found.comments, text)) if text else found
        elif marker in _PROCESSES and not found.components:
            self.found = replace(
                found, process=_PROCESSES[marker], precision=content[0], components=tuple(_components(content))
            )
        elif marker == 0xE1 and content.startswith(b"Exif\0") and not self.exif:
            self.exif = content[6:]
        elif marker == 0xED:
            self.found = replace(found, facebook=found.facebook or b"FBMD" in content)
        elif marker == 0xEE and content.startswith(b"Adobe"):
            self.found = replace(found, adobe_transform=content[11])


def _name(marker: int, content: bytes) -> str:
    if 0xE0 <= marker <= 0xEF:
        kind = next((name for start, name in _APPLICATIONS.items() if content.startswith(start)), "")
        return f"APP{marker - 0xE0} {kind}".strip()
    if marker in _PROCESSES:
        return f"SOF{marker - 0xC0}"
    return _NAMES.get(marker, f"{marker:02X}")


def _components(content: bytes) -> Iterator[Component]:
    for at in range(6, 6 + 3 * content[5], 3):
        number, factors, table = content[at : at + 3]
        yield Component(number=number, across=factors >> 4, down=factors & 15, table=table)


def _quantisation(content: bytes) -> Iterator[tuple[int, Table]]:
    at = 0
    while at < len(content):
        wide, number = content[at] >> 4, content[at] & 15
        steps = struct.unpack_from(">64H" if wide else "64B", content, at + 1)
        at += 129 if wide else 65
        table = [0] * 64
        for place, step in zip(_ZIGZAG, steps, strict=True):
            table[place] = step
        yield number, tuple(table)


def _huffman(content: bytes) -> Iterator[str]:
    at = 0
    while at < len(content):
        size = 17 + sum(content[at + 1 : at + 17])
        yield hashlib.sha256(content[at + 1 : at + size]).hexdigest()[:16]
        at += size


def _text(content: bytes) -> str:
    text = content.split(b"\0")[0].decode("latin-1").strip()
    return text[:_KEPT_TEXT] if text.isprintable() else ""


def _with_exif(found: JpegStructure, exif: bytes) -> JpegStructure:
    """Add camera and thumbnail. Damaged EXIF has neither."""
    if not exif:
        return found
    entries = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            entries.load(b"Exif\0\0" + exif)
            make, model = (str(entries.get(tag) or "").strip("\0 ")[:_KEPT_TEXT] for tag in (_MAKE, _MODEL))
            small = entries.get_ifd(ExifTags.IFD.IFD1)
        start, size = int(small.get(_THUMBNAIL_AT, 0)), int(small.get(_THUMBNAIL_SIZE, 0))
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, struct.error):
        return found
    content = exif[start : start + size] if start else b""
    thumbnail = structure_of(content, is_thumbnail=True) if content.startswith(b"\xff\xd8") else None
    return replace(found, make=make or None, model=model or None, thumbnail=thumbnail)
