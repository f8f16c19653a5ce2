"""Are artifacts what they say they are? Looked at with the standard library alone."""

import hashlib
import io
import json
import struct
import wave
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from xml.etree import ElementTree as ET

from pydantic import ValidationError

from assay.contracts.verdicts import Artifact
from assay.sdk.analyzer import Rendering
from assay.sdk.conformance.manifests import MEDIA_TYPE

MAX_ARTIFACTS = 64
MAX_BYTES = 256 * 1024 * 1024
PNG = b"\x89PNG\r\n\x1a\n"
SAMPLES_OF_COLOUR = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def faults_of_artifacts(renderings: Sequence[Rendering]) -> Iterator[str]:
    """One line for each thing that the engine would refuse, or that nobody could open."""
    names = [rendering.name for rendering in renderings]
    if len(names) > MAX_ARTIFACTS:
        yield f"{len(names)} artifacts; {MAX_ARTIFACTS} are allowed"
    if len(set(names)) != len(names):
        yield f"two artifacts have one name: {', '.join(sorted(names))}"
    for rendering in renderings:
        for fault in _faults_of_one(rendering):
            yield f"the artifact {rendering.name!r}: {fault}"


def _faults_of_one(rendering: Rendering) -> Iterator[str]:
    try:
        Artifact(
            name=rendering.name,
            media_type=rendering.media_type,
            size=len(rendering.data),
            sha256=hashlib.sha256(rendering.data).hexdigest(),
            key="files/0/runs/0/analyzer/name",
            title=rendering.title,
        )
    except ValidationError as error:
        yield f"{error.errors()[0]['loc'][0]}: {error.errors()[0]['msg']}"
    if not rendering.title.strip():
        yield "it has no title"
    if not MEDIA_TYPE.fullmatch(rendering.media_type) or rendering.media_type.endswith("*"):
        yield f"{rendering.media_type!r} is no media type"
    if not 0 < len(rendering.data) <= MAX_BYTES:
        yield f"it has {len(rendering.data)} bytes"
        return
    try:
        _reader(rendering.media_type)(rendering.data)
    except (ValueError, EOFError, struct.error, zlib.error, wave.Error, zipfile.BadZipFile, ET.ParseError) as error:
        yield f"it is not {rendering.media_type}: {error}"


def _reader(media_type: str) -> Callable[[bytes], object]:
    """What reads bytes of this type, and raises where they are something else; unknown types may be anything."""
    if media_type.startswith("text/"):
        return lambda data: data.decode("utf-8")
    if media_type.endswith("+json"):
        return json.loads
    if media_type.endswith("+xml"):
        return _read_xml
    return READERS.get(media_type, lambda data: data)


def _read_xml(data: bytes) -> None:
    ET.fromstring(data)  # noqa: S314 - made by the analyzer under test


def _read_wave(data: bytes) -> None:
    with wave.open(io.BytesIO(data)) as sound:
        sound.readframes(sound.getnframes())


def _read_zip(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        broken = archive.testzip()
    if broken:
        raise ValueError(f"its member {broken} is damaged")


def _framed(start: bytes, end: bytes = b"") -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        if not data.startswith(start) or end not in data[-1024:]:
            raise ValueError("its first or last bytes are others")

    return read


def _read_png(data: bytes) -> None:
    """Every chunk's checksum, and as many pixels as the header says."""
    if not data.startswith(PNG):
        raise ValueError("its first bytes are others")
    at, chunks = len(PNG), []
    while at < len(data):
        length, kind = struct.unpack_from("!I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from("!I", data, at + 8 + length)
        if checksum != zlib.crc32(kind + body):
            raise ValueError(f"the checksum of its chunk {kind!r} is wrong")
        chunks.append((kind, body))
        at += 12 + length
    if not chunks or chunks[0][0] != b"IHDR" or chunks[-1][0] != b"IEND":
        raise ValueError("it has no first or no last chunk")
    width, height, depth, colour, _, _, interlaced = struct.unpack("!IIBBBBB", chunks[0][1])
    if not width or not height or colour not in SAMPLES_OF_COLOUR:
        raise ValueError(f"its header says {width} × {height} pixels of the colour type {colour}")
    pixels = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    row = 1 + (width * SAMPLES_OF_COLOUR[colour] * depth + 7) // 8
    if not interlaced and len(pixels) != row * height:
        raise ValueError(f"it holds {len(pixels)} bytes of pixels; {width} × {height} take {row * height}")


READERS: dict[str, Callable[[bytes], object]] = {
    "application/json": json.loads,
    "application/pdf": _framed(b"%PDF-", b"%%EOF"),
    "application/xml": _read_xml,
    "application/zip": _read_zip,
    "audio/midi": _framed(b"MThd"),
    "audio/wav": _read_wave,
    "image/gif": _framed(b"GIF8", b"\x3b"),
    "image/jpeg": _framed(b"\xff\xd8\xff", b"\xff\xd9"),
    "image/png": _read_png,
    "image/webp": _framed(b"RIFF"),
}
