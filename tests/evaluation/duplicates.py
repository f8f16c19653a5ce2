"""Near-duplicates: is an evaluation picture, perhaps scaled, saved again or mirrored, among the training pictures?

    known = [fingerprint(path) for path in training_pictures]
    write(known, Path("fingerprints.gz"))
    for one, other in near_duplicates(map(fingerprint, evaluation_pictures), read(Path("fingerprints.gz"))):
        ...

Two pictures are near-duplicates where their bytes are equal, or where their 64-bit hashes of the lowest frequencies
(the signs of a cosine transform of the 32x32 luminance; compare C. Zauner, "Implementation and benchmarking of
perceptual image hash functions", 2010) differ in few bits and their small copies correlate. The hash alone is wrong too
often among faces, which all look alike at that size.
"""

import base64
import gzip
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

SIDE = 32
DECODED = 4 * SIDE
LOWEST = 8
THUMBNAIL = 12
BITS_APART = 10
CORRELATION = 0.93


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is known of a picture once it is gone.

    sha256     of its bytes
    hash       64 bits
    thumbnail  THUMBNAIL x THUMBNAIL luminance, a byte each
    name       for people
    """

    sha256: str
    hash: int
    thumbnail: bytes
    name: str = ""


def fingerprint(path: Path) -> Fingerprint:
    """Of a picture's file. Raises OSError where it cannot be read as a picture."""
    return fingerprint_of(path.read_bytes(), path.name)


def fingerprint_of(content: bytes, name: str = "") -> Fingerprint:
    """Of a picture's bytes; as it is seen, with the orientation that its metadata say."""
    with Image.open(BytesIO(content)) as image:
        image.draft("L", (DECODED, DECODED))  # of a large JPEG only what is needed
        luma = ImageOps.exif_transpose(image).convert("L")
    small = np.asarray(luma.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float64)
    thumbnail = luma.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX).tobytes()
    return Fingerprint(hashlib.sha256(content).hexdigest(), _hash(small), thumbnail, name)


def mirrored(one: Fingerprint) -> Fingerprint:
    """The fingerprint of the same picture with left and right exchanged.

    In the transform of a mirrored picture the odd horizontal frequencies change their sign.
    """
    thumbnail = np.frombuffer(one.thumbnail, np.uint8).reshape(THUMBNAIL, THUMBNAIL)[:, ::-1].tobytes()
    return Fingerprint(one.sha256, one.hash ^ _ODD, thumbnail, one.name)


def near_duplicates(
    some: Iterable[Fingerprint], known: Sequence[Fingerprint]
) -> Iterator[tuple[Fingerprint, Fingerprint]]:
    """Every pair of one of `some` and one of `known` that show the same picture."""
    if not known:
        return
    bytes_known = {each.sha256: each for each in known}
    hashes = np.array([each.hash for each in known], dtype=np.uint64)
    thumbnails = np.stack([_normal(each.thumbnail) for each in known])
    for one in some:
        if (same := bytes_known.get(one.sha256)) is not None:
            yield one, same
            continue
        hits: set[int] = set()
        for seen in (one, mirrored(one)):
            close = np.flatnonzero(np.bitwise_count(hashes ^ np.uint64(seen.hash)) <= BITS_APART)
            alike = thumbnails[close] @ _normal(seen.thumbnail) >= CORRELATION
            hits.update(close[alike].tolist())
        yield from ((one, known[index]) for index in sorted(hits))


def write(fingerprints: Iterable[Fingerprint], path: Path) -> None:
    """Keep them, compressed: a line each, sorted, of sha256, hash, thumbnail and name. The same bytes every time."""
    lines = sorted(
        f"{each.sha256} {each.hash:016x} {base64.b64encode(each.thumbnail).decode()} {each.name}".rstrip()
        for each in fingerprints
    )
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))


def read(path: Path) -> list[Fingerprint]:
    """What `write` kept."""
    found = []
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        sha256, hashed, thumbnail, *name = line.split(" ", 3)
        found.append(Fingerprint(sha256, int(hashed, 16), base64.b64decode(thumbnail), name[0] if name else ""))
    return found


@cache
def _cosines() -> NDArray[np.float64]:
    """The lowest rows of the cosine transform's matrix without the constant one, (LOWEST, SIDE)."""
    k, n = np.mgrid[1 : LOWEST + 1, :SIDE]
    cosines: NDArray[np.float64] = np.cos(np.pi * (2 * n + 1) * k / (2 * SIDE))
    return cosines


def _hash(small: NDArray[np.float64]) -> int:
    lowest = (_cosines() @ small @ _cosines().T).ravel()
    bits = lowest > 0
    return int(sum(1 << index for index in np.flatnonzero(bits).tolist()))


_ODD = sum(1 << (row * LOWEST + column) for row in range(LOWEST) for column in range(0, LOWEST, 2))
"""Bits of odd horizontal frequencies: columns begin with frequency 1."""


def _normal(thumbnail: bytes) -> NDArray[np.float32]:
    """Mean 0, length 1; a plain one becomes 0 and is like nothing."""
    values = np.frombuffer(thumbnail, np.uint8).astype(np.float32)
    values -= values.mean()
    length = float(np.sqrt((values**2).sum()))
    return values / length if length > 1.0 else values * 0
