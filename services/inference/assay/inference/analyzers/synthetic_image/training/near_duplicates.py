"""Is this picture the same as that one, whatever its size and compression?

Two pictures count as the same when the signs of 63 low DCT coefficients differ in at most `MAX_BITS` places and their
16 x 16 thumbnails correlate above `MIN_CORRELATION`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_BITS = 8
MIN_CORRELATION = 0.93

_N = 32
_COSINES = np.cos(np.pi * (2 * np.arange(_N)[None, :] + 1) * np.arange(8)[:, None] / (2 * _N))


@dataclass(frozen=True)
class Likeness:
    """What is compared of one picture: 64 bits, and a 16 x 16 gray thumbnail of zero mean and unit length."""

    bits: int
    thumbnail: NDArray[np.float32]


def likeness(image: Image.Image) -> Likeness:
    """Of a decoded (or draft-decoded) picture."""
    gray = image.convert("L")
    small = np.asarray(gray.resize((_N, _N), Image.Resampling.BOX), dtype=np.float64)
    low = (_COSINES @ small @ _COSINES.T).ravel()
    low[0] = np.median(low[1:])
    bits = sum(1 << place for place, above in enumerate(low > np.median(low[1:])) if above)
    thumbnail = np.asarray(gray.resize((16, 16), Image.Resampling.BOX), dtype=np.float32).ravel()
    thumbnail -= thumbnail.mean()
    return Likeness(bits, thumbnail / max(float(np.linalg.norm(thumbnail)), 1e-6))


class Known:
    """A set of pictures to compare with."""

    def __init__(self) -> None:
        self._bits: list[int] = []
        self._thumbnails: list[NDArray[np.float32]] = []
        self._names: list[str] = []

    def add(self, like: Likeness, name: str) -> None:
        """Remember a picture under a name."""
        self._bits.append(like.bits)
        self._thumbnails.append(like.thumbnail)
        self._names.append(name)

    def find(self, like: Likeness) -> str | None:
        """The name of a known picture that is the same, or None."""
        if not self._bits:
            return None
        apart = np.bitwise_count(np.array(self._bits, dtype=np.uint64) ^ np.uint64(like.bits))
        for index in np.flatnonzero(apart <= MAX_BITS):
            if float(self._thumbnails[index] @ like.thumbnail) >= MIN_CORRELATION:
                return self._names[index]
        return None
