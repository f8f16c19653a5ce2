"""ZIP archives as tests need them, bombs among them."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable

GIGABYTE = 1 << 30


def zipped(members: Iterable[bytes], *, comment: bytes = b"", compressed: bool = True) -> bytes:
    """An archive with these members, named by their numbers."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for number, member in enumerate(members):
            archive.writestr(f"{number}", member)
        archive.comment = comment
    return out.getvalue()


def nested(levels: int, width: int, name: str = "") -> bytes:
    """An archive of `width` archives of `width` … of texts, all different: width ** levels texts."""
    if levels == 0:
        return f"This is the text {name or 'alone'}, and nothing but a text.\n".encode()
    return zipped(nested(levels - 1, width, f"{name}.{number}") for number in range(width))


def bomb(size: int, *, comment: bytes = b"") -> bytes:
    """An archive a thousandth as long as its one member, of which it tells the size as it is."""
    step = 10 << 20
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(b"boom, and " * (step // 10)) + packer.flush(zlib.Z_FULL_FLUSH)
    data = block * (size // step) + packer.flush(zlib.Z_FINISH)
    large = 0xFFFFFFFF
    common = struct.pack("<HHHHHIII", 45, 0, 8, 0, 0x21, 0, len(data), large)
    extra = struct.pack("<HHQ", 1, 8, size)
    local = b"PK\x03\x04" + common + struct.pack("<HH", 5, len(extra)) + b"large" + extra
    central = b"PK\x01\x02" + struct.pack("<H", 45) + common
    central += struct.pack("<HHHHHII", 5, len(extra), 0, 0, 0, 0, 0) + b"large" + extra
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(data), len(comment))
    return local + data + central + end + comment
