"""Exif blocks with what Pillow does not write: a thumbnail, maker's notes, any type of any tag."""

import struct
from collections.abc import Mapping
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Value = int | str | bytes | tuple[int, int]


def exif(
    tags: Mapping[int, Value] = {},
    sub: Mapping[int, Value] = {},
    *,
    gps: Mapping[int, Value] = {},
    thumbnail: bytes | None = None,
) -> bytes:
    """A block for `save(exif=…)`. tags, sub, gps: of the three directories. thumbnail: a JPEG for the second image."""
    first: dict[int, Value] = dict(tags)
    blob, fixes = bytearray(b"MM\x00*\x00\x00\x00\x08"), {}
    if sub:
        first[0x8769] = 0
    if gps:
        first[0x8825] = 0
    fixes["first"], next_at = _directory(blob, first)
    for tag, values in ((0x8769, sub), (0x8825, gps)):
        if values:
            struct.pack_into(">I", blob, fixes["first"][tag], len(blob))
            _directory(blob, values)
    if thumbnail is not None:
        struct.pack_into(">I", blob, next_at, len(blob))
        places, _ = _directory(blob, {0x0201: 0, 0x0202: len(thumbnail)})
        struct.pack_into(">I", blob, places[0x0201], len(blob))
        blob += thumbnail
    return b"Exif\x00\x00" + bytes(blob)


def _directory(blob: bytearray, values: Mapping[int, Value]) -> tuple[dict[int, int], int]:
    """Append a directory; returns where each tag's inline value lies, and where the link to the next one."""
    start = len(blob)
    blob += struct.pack(">H", len(values)) + bytes(12 * len(values) + 4)
    places = {}
    for number, tag in enumerate(sorted(values)):
        kind, count, raw = _encoded(values[tag])
        at = start + 2 + 12 * number
        struct.pack_into(">HHI", blob, at, tag, kind, count)
        places[tag] = at + 8
        if len(raw) <= 4:
            blob[at + 8 : at + 8 + len(raw)] = raw
        else:
            struct.pack_into(">I", blob, at + 8, len(blob))
            blob += raw + bytes(len(raw) % 2)
    return places, start + 2 + 12 * len(values)


def _encoded(value: Value) -> tuple[int, int, bytes]:
    if isinstance(value, str):
        return 2, len(value) + 1, value.encode() + b"\x00"
    if isinstance(value, bytes):
        return 7, len(value), value
    if isinstance(value, tuple):
        return 5, 1, struct.pack(">II", *value)
    return 4, 1, struct.pack(">I", value)


def scene(seed: int, width: int = 480, height: int = 320) -> NDArray[np.uint8]:
    """A picture of soft shapes, uint8 (H, W, 3), another one for each seed."""
    random = np.random.default_rng(seed)
    coarse = random.integers(10, 245, (6, 9, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def jpeg(pixels: NDArray[np.uint8], quality: int = 88, **options: object) -> bytes:
    """The bytes of a JPEG."""
    encoded = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(encoded, "JPEG", **{"quality": quality, **options})
    return encoded.getvalue()


def small(pixels: NDArray[np.uint8], size: tuple[int, int] = (160, 120), *, bars: bool = True) -> bytes:
    """A thumbnail as cameras make it: 160 x 120, black bars around what is not 4:3, compressed hard."""
    image = Image.fromarray(pixels)
    fitted = Image.new("RGB", size)
    inner = size
    if bars:
        scale = min(size[0] / image.width, size[1] / image.height)
        inner = round(image.width * scale), round(image.height * scale)
    fitted.paste(image.resize(inner), ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
    return jpeg(np.asarray(fitted), 60)
