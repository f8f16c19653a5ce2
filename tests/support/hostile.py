"""Files and names that mean harm, or were broken on their way; with ASSAY_DATA, those of its folder `hostile` too."""

import io
import json
import os
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

NAMES = (
    "../../../../etc/passwd",
    "..\\..\\windows\\system32\\cmd.exe",
    "/dev/null",
    ".",
    "a\0b.jpg",
    "line\r\nbreak: yes.jpg",
    'quotes"; filename="other.jpg',
    "back\\slash.jpg",
    "derived_\u202egpj.exe.jpg",
    "re\u0301c\u0327u_e\u0301te\u0301.jpg",
    "\U0001f600 \u0444\u043e\u0442\u043e \u7167\u7247.jpg",
    "\u0e01\u0e33\u0645\u0644\u0641.jpg",
    "<img src=x onerror=alert(1)>.jpg",
    "'; DROP TABLE files; --.jpg",
    "{{7*7}}${7*7}%s%n%00.jpg",
    "CON.jpg",
    "\ufeff\u200b.jpg",
    "x" * 3000 + ".jpg",
)


@dataclass(frozen=True)
class Hostile:
    """A file, and the name that it is sent under."""

    label: str
    name: str
    content: bytes

    def __str__(self) -> str:
        return self.label


def folder() -> Path | None:
    """The hostile files of the evaluation data, where ASSAY_DATA names them."""
    data = os.environ.get("ASSAY_DATA")
    return Path(data) / "hostile" if data else None


def names() -> list[str]:
    """Each is to be kept as it is, but for control characters."""
    found = list(NAMES)
    if (where := folder()) is not None:
        found += [name for name in json.loads((where / "naughty_strings.json").read_text("utf-8")) if name]
    return found


def files() -> list[Hostile]:
    """All of them, in one order."""
    found = [Hostile(name, name, content) for name, content in _made()]
    if (where := folder()) is not None:
        expected = json.loads((where / "expected.json").read_text("utf-8"))
        found += [
            Hostile(path, said.get("upload_as", Path(path).name), (where / path).read_bytes())
            for path, said in sorted(expected.items())
        ]
    return found


def picture(kind: str = "JPEG", side: int = 96) -> bytes:
    """A picture that is none of these: nobody means harm by it."""
    out = io.BytesIO()
    noise = random.Random(side).randbytes(3 * side * side)
    Image.frombytes("RGB", (side, side), noise).save(out, kind)
    return out.getvalue()


def _made() -> Iterator[tuple[str, bytes]]:
    jpeg, png = picture(), picture("PNG")
    yield "empty.jpg", b""
    yield "one-byte.jpg", b"\xff"
    yield "half.jpg", jpeg[: len(jpeg) // 2]
    yield "half.png", png[: len(png) // 2]
    yield "noise-behind-its-header.jpg", jpeg[:200] + random.Random(1).randbytes(20_000)
    yield "segment-longer-than-the-file.jpg", b"\xff\xd8\xff\xe1\xff\xffExif\0\0" + jpeg[2:]
    yield "thousand-segments.jpg", jpeg[:2] + b"\xff\xe2\x00\x10ICC_PROFILE\0\x01\xff" * 1000 + jpeg[2:]
    yield "wider-than-the-moon.png", _png(2**31 - 1, 2**31 - 1, b"\0")
    yield "sixty-thousand-square.png", _png(60_000, 60_000, bytes(1000))
    yield "much-from-little.png", _png(100, 100, bytes(64 * 1024 * 1024))
    yield "with-an-archive-behind.jpg", jpeg + b"PK\x03\x04" + bytes(100)
    yield "script-and-picture.gif", b"GIF89a/*" + bytes(200) + b"*/=1;alert(1)//;"
    yield "program.jpg", b"MZ" + bytes(58) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0" + bytes(200)
    yield "page.pdf", b"<!doctype html><html><script>alert(1)</script></html>"
    yield (
        "laughs.xml",
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">'
        + b"".join(b'<!ENTITY %c "%s">' % (98 + number, b"&%c;" % (97 + number) * 10) for number in range(9))
        + b"]><x>&j;</x>",
    )
    yield (
        "only-a-header.wav",
        b"RIFF"
        + struct.pack("<I", 48_036)
        + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
        + b"data"
        + struct.pack("<I", 48_000),
    )
    yield "box-in-a-box.mp4", _boxes(1000)


def _png(width: int, height: int, pixels: bytes) -> bytes:
    """Says that it is so large, and has these bytes of pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(pixels, 9)), chunk(b"IEND", b"")]
    )


def _boxes(depth: int) -> bytes:
    body = b""
    for _ in range(depth):
        body = struct.pack(">I", len(body) + 8) + b"moov" + body
    return b"\0\0\0\x18ftypisom\0\0\0\0isomiso2" + body
