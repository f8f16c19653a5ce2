"""Reads the text that some generators hide in the lowest bits of the pixels (“stealth pnginfo”).

NovelAI and a plug-in of the Stable Diffusion web UI write it so that it survives sites that strip metadata: column by
column, the lowest bit of alpha (or of red, green and blue) holds a signature, a length of 32 bits and UTF-8 text,
plain or gzip.
"""

import zlib
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from assay.inference.analyzers.provenance.entries import Entries

MAX_PIXELS = 25_000_000
MAX_TEXT = 512 * 1024
_SIGNATURE_BYTES = 15
_ALPHA = {b"stealth_pnginfo": False, b"stealth_pngcomp": True}
_COLOUR = {b"stealth_rgbinfo": False, b"stealth_rgbcomp": True}
_TO_BIT = bytes(48 + (value & 1) for value in range(256))


def read_stealth(path: Path, entries: Entries) -> None:
    """Read hidden text into `entries`. Lossless pictures only: the bits of others do not survive."""
    try:
        with Image.open(path, formats=["PNG", "WEBP"]) as image:
            if image.width * image.height > MAX_PIXELS:
                entries.problem("The picture is too large to be searched for hidden text.")
                return
            if image.mode in ("RGBA", "RGB"):
                _read(image, entries)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        entries.problem("The pixels are damaged; they were not searched for hidden text.")


def _read(image: Image.Image, entries: Entries) -> None:
    if image.mode == "RGBA":
        _channel(image.getchannel("A"), 1, _ALPHA, entries)
        image = image.convert("RGB")
    _channel(image, 3, _COLOUR, entries)


def _channel(image: Image.Image, bits_per_pixel: int, signatures: dict[bytes, bool], entries: Entries) -> None:
    head = _bits(image, bits_per_pixel, (_SIGNATURE_BYTES + 4) * 8)
    if len(head) < _SIGNATURE_BYTES + 4 or head[:_SIGNATURE_BYTES] not in signatures:
        return
    bits = int.from_bytes(head[_SIGNATURE_BYTES : _SIGNATURE_BYTES + 4], "big")
    if bits > MAX_TEXT * 8:
        entries.problem("The hidden text is larger than is read; it was left out.")
        return
    raw = _bits(image, bits_per_pixel, (_SIGNATURE_BYTES + 4) * 8 + bits)[_SIGNATURE_BYTES + 4 :]
    if signatures[head[:_SIGNATURE_BYTES]]:
        try:
            raw = zlib.decompressobj(wbits=31).decompress(raw, MAX_TEXT)
        except zlib.error:
            entries.problem("The hidden text is damaged; it was left out.")
            return
    entries.add("stealth", "pnginfo", raw.decode("utf-8", "replace"))


def _bits(image: Image.Image, bits_per_pixel: int, count: int) -> bytes:
    """The first `count` lowest bits, column by column, as whole bytes."""
    pixels = -(-count // bits_per_pixel)
    columns = min(-(-pixels // image.height), image.width)
    strip = image.crop((0, 0, columns, image.height)).transpose(Image.Transpose.TRANSPOSE).tobytes()
    digits = strip.translate(_TO_BIT)[: min(count, len(strip)) // 8 * 8]
    return int(digits, 2).to_bytes(len(digits) // 8, "big") if digits else b""
