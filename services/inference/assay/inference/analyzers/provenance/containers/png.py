"""PNG chunks: text in its three forms, Exif, XMP, and the hex profiles that ImageMagick and ExifTool write.

Source: PNG specification, third edition (W3C 2025), section 11.3.
"""

import struct
import zlib
from typing import BinaryIO

from assay.inference.analyzers.provenance.entries import Entries
from assay.inference.analyzers.provenance.exif import read_exif
from assay.inference.analyzers.provenance.iptc import read_iptc, read_photoshop
from assay.inference.analyzers.provenance.xmp import read_xmp

MAX_CHUNKS = 100_000
MAX_CHUNK = 4 * 1024 * 1024
MAX_INFLATED = 4 * 1024 * 1024
MAX_INFLATED_TOTAL = 16 * 1024 * 1024
_READ = frozenset({b"tEXt", b"zTXt", b"iTXt", b"eXIf"})
_XMP_KEY = "XML:com.adobe.xmp"
_RAW_PROFILE = "Raw profile type "


def read_png(file: BinaryIO, entries: Entries) -> None:
    """Read the metadata chunks before and after the pixels."""
    file.seek(0, 2)
    end = file.tell()
    at = 8
    reader = _Chunks(entries)
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        header = file.read(8)
        if len(header) < 8:
            entries.problem("The PNG ends before its last chunk.")
            return
        size, kind = struct.unpack(">I4s", header)
        if kind == b"IEND":
            return
        if kind in _READ:
            if size > MAX_CHUNK:
                entries.problem(f"A text chunk of {size} bytes is larger than is read; it was cut.")
            reader.read(kind, file.read(min(size, MAX_CHUNK)))
        at += 12 + size
        if at > end:
            entries.problem("The PNG ends in the middle of a chunk.")
            return
    entries.problem("The PNG has more chunks than are read.")


class _Chunks:
    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._inflated = 0

    def read(self, kind: bytes, body: bytes) -> None:
        if kind == b"eXIf":
            read_exif(body, self._entries)
            return
        raw_key, _, rest = body.partition(b"\x00")
        key = raw_key[:79].decode("latin-1")
        if kind == b"tEXt":
            self._text(key, rest, "latin-1")
        elif kind == b"zTXt":
            self._text(key, self._inflate(rest[1:]), "latin-1")
        elif len(rest) >= 2:
            compressed = rest[0] == 1
            parts = rest[2:].split(b"\x00", 2)
            if len(parts) == 3:
                self._text(key, self._inflate(parts[2]) if compressed else parts[2], "utf-8")

    def _text(self, key: str, raw: bytes, encoding: str) -> None:
        if key == _XMP_KEY:
            read_xmp(raw, self._entries)
        elif key.startswith(_RAW_PROFILE):
            self._profile(key[len(_RAW_PROFILE) :].strip(), raw)
        else:
            if encoding == "latin-1":
                # Most generators put UTF-8 where the standard says Latin-1.
                try:
                    text = raw.decode("utf-8")
                except UnicodeDecodeError:
                    text = raw.decode("latin-1")
            else:
                text = raw.decode("utf-8", "replace")
            self._entries.add("png", key, text)

    def _profile(self, name: str, raw: bytes) -> None:
        """A profile as text: a line with its name, one with its length, then hexadecimal lines."""
        try:
            data = bytes.fromhex(b"".join(raw.strip().splitlines()[2:]).decode("ascii"))
        except ValueError:
            self._entries.problem("A metadata profile in the PNG is damaged; it was left out.")
            return
        if name in ("exif", "APP1"):
            read_exif(data, self._entries)
        elif name == "xmp":
            read_xmp(data, self._entries)
        elif name == "iptc":
            read_photoshop(data, self._entries) if data.startswith(b"8BIM") else read_iptc(data, self._entries)

    def _inflate(self, data: bytes) -> bytes:
        """Inflate within the bounds of one chunk and of the file: a bomb costs at most those."""
        budget = min(MAX_INFLATED, MAX_INFLATED_TOTAL - self._inflated)
        if budget <= 0:
            self._entries.problem("The compressed text in the PNG is larger than is read; the rest was left out.")
            return b""
        stream = zlib.decompressobj()
        try:
            text = stream.decompress(data, budget)
        except zlib.error:
            self._entries.problem("A compressed text in the PNG is damaged; it was left out.")
            return b""
        self._inflated += len(text)
        if stream.unconsumed_tail:
            self._entries.problem("A compressed text in the PNG is larger than is read; it was cut.")
        return text
