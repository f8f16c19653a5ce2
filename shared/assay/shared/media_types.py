"""The media type of a file, read from its content by magika; what the name and the client say has no part in it.

A file that begins as one of a few formats must and ends as it must is not put to magika, whose network takes 6 ms of a
core: of 1,106 such files both said the same. One that goes on behind its end, or breaks off, is: it may be two at once.
"""

import asyncio
from dataclasses import dataclass

from magika import Magika
from magika.types import OverwriteReason
from onnxruntime import InferenceSession, SessionOptions

# magika looks at no more than this much at either end of a file.
BLOCK_BYTES = 4096
UNKNOWN = "application/octet-stream"

# Major and compatible brands of ISO base media files (ISO/IEC 14496-12, 23008-12, the AV1 image format), the telling
# ones first: magika calls all of them video/mp4.
_BRANDS = (
    (("avif", "avis"), "image/avif"),
    (("heic", "heix", "heim", "heis", "hevc", "hevx"), "image/heic"),
    (("mif1", "msf1"), "image/heif"),
)
_MAJOR_BRANDS = {"qt  ": "video/quicktime", "M4A ": "audio/mp4", "M4B ": "audio/mp4", "M4V ": "video/x-m4v"}

# An ISO image says so at 32 KiB, where magika does not look: it calls ZIP archives so that are full of zeros.
_ISO_IMAGE = "application/x-iso9660-image"
_ZIP, _ZIP_SIGNATURE = "application/zip", b"PK\x03\x04"

# How whole files begin and end (PNG 3, 5.2 and 11.2.5; ITU-T T.81, B.1.1.3; GIF89a, 17 and 27).
_WHOLE = (
    (b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xaeB`\x82", "image/png"),
    (b"\xff\xd8\xff", b"\xff\xd9", "image/jpeg"),
    (b"GIF87a", b"\0;", "image/gif"),
    (b"GIF89a", b"\0;", "image/gif"),
)
# A RIFF file says how long it is, and what.
_RIFF_HEADER_BYTES = 8
_RIFF = {b"WAVE": "audio/x-wav", b"WEBP": "image/webp"}

# Asked only where magika does not know: formats outside of its training, or files too short or broken for it.
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\xff\x0a", "image/jxl"),
)


class Sample:
    """Both ends of a file, kept while it streams by; never more than 8 KiB."""

    def __init__(self) -> None:
        self.size = 0
        self._head = bytearray()
        self._tail = bytearray()

    def add(self, chunk: bytes | memoryview) -> None:
        """The next bytes of the file."""
        self.size += len(chunk)
        missing = BLOCK_BYTES - len(self._head)
        if missing > 0:
            self._head += chunk[:missing]
            chunk = chunk[missing:]
        if len(chunk) >= BLOCK_BYTES:
            self._tail[:] = chunk[-BLOCK_BYTES:]
        elif chunk:
            self._tail += chunk
            del self._tail[:-BLOCK_BYTES]

    @property
    def content(self) -> bytes:
        """The whole of a file up to 8 KiB, both ends of a longer one: magika says the same of them as of the whole."""
        return bytes(self._head + self._tail)


@dataclass(frozen=True, slots=True)
class MediaType:
    """`certain`: more bytes will hardly change it."""

    name: str
    certain: bool


class _QuietMagika(Magika):
    """Computes in the thread that asks.

    onnxruntime's own threads spin on all cores after every call: 38 ms of CPU time for 6 ms of work, which others lack.
    """

    def _init_onnx_session(self) -> InferenceSession:
        options = SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return InferenceSession(self._model_path, sess_options=options, providers=["CPUExecutionProvider"])


class MediaTypes:
    """Holds the model; make one per process (0.5 s). The package magika comes with the extra `media-types`."""

    def __init__(self) -> None:
        self._magika = _QuietMagika()

    async def of(self, sample: Sample) -> MediaType:
        """The type of a file, or of as much of it as has arrived. Takes up to milliseconds, then in a thread."""
        content = sample.content
        whole = _by_both_ends(content, sample.size)
        if whole is not None:
            return MediaType(whole, certain=True)
        return await asyncio.to_thread(self._identify, content)

    def _identify(self, content: bytes) -> MediaType:
        by_brand = _by_brand(content)
        if by_brand is not None:
            return MediaType(by_brand, certain=True)
        prediction = self._magika.identify_bytes(content).prediction
        name = str(prediction.output.mime_type)
        if content.startswith(_ZIP_SIGNATURE) and (name in (_ISO_IMAGE, UNKNOWN) or name.startswith("text/")):
            return MediaType(_ZIP, certain=False)
        if name == UNKNOWN:
            by_signature = next((kind for start, kind in _SIGNATURES if content.startswith(start)), None)
            if by_signature is not None:
                return MediaType(by_signature, certain=True)
        return MediaType(name, certain=prediction.overwrite_reason != OverwriteReason.LOW_CONFIDENCE)


def _by_both_ends(content: bytes, size: int) -> str | None:
    """The type of a file that is whole, by how it begins and ends; None where magika should say."""
    if content[:4] == b"RIFF":
        length = int.from_bytes(content[4:8], "little")
        return _RIFF.get(content[8:12]) if _RIFF_HEADER_BYTES + length == size else None
    return next((kind for start, end, kind in _WHOLE if content.startswith(start) and content.endswith(end)), None)


def _by_brand(content: bytes) -> str | None:
    """The type that an ISO base media file's first box names; None where magika should say."""
    if content[4:8] != b"ftyp":
        return None
    length = int.from_bytes(content[:4], "big")
    box = content[: min(length, 512)]
    major = box[8:12].decode("latin-1")
    brands = {major} | {box[at : at + 4].decode("latin-1") for at in range(16, len(box) - 3, 4)}
    if major in _MAJOR_BRANDS:
        return _MAJOR_BRANDS[major]
    return next((kind for names, kind in _BRANDS if brands.intersection(names)), None)
