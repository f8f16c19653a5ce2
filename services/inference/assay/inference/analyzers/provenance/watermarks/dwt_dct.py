"""Reads the “DWT-DCT” mark of the library invisible-watermark, with which Stable Diffusion and FLUX mark pictures.

The scheme, from its description: of the chroma U (BT.601, eight bits) one level of a Haar wavelet is taken; its
approximation is cut into blocks of 4 x 4, row by row; block n carries bit n modulo the message's length. In each block
the coefficient of the largest magnitude, the first not counted, is moved to (k + 1/4) or (k + 3/4) steps of 36 for a
zero or a one. (For all its name, no cosine transform is taken.) A mark is bound to the grid of the whole picture:
cropping or resizing it ends the reading.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.provenance.watermarks.chance import LIMIT, chance_of
from assay.inference.analyzers.provenance.watermarks.messages import Mark, Message

STEP = 36.0
BLOCK = 8
"""Pixels that a block is wide and high: four coefficients of two pixels each."""

MIN_PIXELS = 256 * 256
"""Smaller pictures are not marked."""

ORDERS = ("BGR", "RGB")
"""How the colours lay when U was computed: some programs hand them over the wrong way round."""

READINGS = 2 * len(ORDERS)
"""Each picture is read so many times: in both orders, and with chroma as it is and sharpened (see `_sharpened`)."""

# Taps of the inverse of the filter (1/8, 3/4, 1/8): 8 / sqrt(32) * (sqrt(8) - 3)^|n|.
_INVERSE = tuple(8 / 32**0.5 * (8**0.5 - 3) ** abs(n) for n in range(-3, 4))

Pixels = NDArray[np.uint8]
Plane = NDArray[np.float32]


class Votes:
    """What the blocks of one picture say. Strips of it are enough, so the work is bounded for pictures of any size."""

    def __init__(self, width: int) -> None:
        """width: of the picture, in pixels."""
        self._columns = width // BLOCK
        self._numbers: list[NDArray[np.int64]] = []
        self._votes: list[list[NDArray[np.bool_]]] = [[] for _ in range(READINGS)]

    def add(self, top: int, strip: Pixels) -> None:
        """Read a strip of the picture as it is stored. top: its first row, a multiple of 8. strip: (H, W, 3), RGB."""
        rows = len(strip) // BLOCK
        if not rows or not self._columns:
            return
        first = top // BLOCK * self._columns
        self._numbers.append(np.arange(first, first + rows * self._columns))
        planes = [_approximation(u) for u in _chroma(strip[: rows * BLOCK, : self._columns * BLOCK])]
        for kept, plane in zip(self._votes, [*planes, *map(_sharpened, planes)], strict=True):
            kept.append(_votes(plane).ravel())

    def marks(self, messages: Sequence[Message]) -> list[Mark]:
        """The messages that stand in the picture, the surest first."""
        if not self._numbers or not messages:
            return []
        numbers = np.concatenate(self._numbers)
        readings = [np.concatenate(kept) for kept in self._votes]
        found = []
        for message in messages:
            matching = max(_matching(votes, numbers, message.bits) for votes in readings)
            chance = chance_of(matching, len(message.bits), READINGS * len(messages))
            if chance <= LIMIT:
                found.append(Mark(message, matching, chance))
        return sorted(found, key=lambda mark: mark.chance)


def _chroma(pixels: Pixels) -> tuple[Plane, Plane]:
    """U of BT.601 in whole levels, with blue and red as they are and exchanged."""
    red, green, blue = (pixels[..., channel].astype(np.float32) for channel in range(3))

    def u(blue: Plane, red: Plane) -> Plane:
        luma = np.rint(0.114 * blue + 0.587 * green + 0.299 * red)
        return np.asarray(np.rint(np.clip(0.492 * (blue - luma) + 128.0, 0.0, 255.0)), dtype=np.float32)

    return u(blue, red), u(red, blue)


def _approximation(u: Plane) -> Plane:
    """The low band of one level of the Haar wavelet."""
    rows = u[0::2] + u[1::2]
    return np.asarray((rows[:, 0::2] + rows[:, 1::2]) / 2, dtype=np.float32)


def _sharpened(plane: Plane) -> Plane:
    """Undo what decoders do to halved chroma.

    JPEG and WebP mostly keep one sample of chroma for four pixels, which is the wavelet's low band itself; decoders
    then interpolate with weights of 3/4 and 1/4, and averaged over the four pixels that is a filter (1/8, 3/4, 1/8).
    """
    for axis in (0, 1):
        wide = np.pad(plane, [(3, 3) if each == axis else (0, 0) for each in (0, 1)], mode="edge")
        size = plane.shape[axis]
        parts = (wide[n : n + size] if axis == 0 else wide[:, n : n + size] for n in range(len(_INVERSE)))
        plane = np.sum([np.float32(tap) * part for tap, part in zip(_INVERSE, parts, strict=True)], axis=0)
    return plane


def _votes(plane: Plane) -> NDArray[np.bool_]:
    """One bit for each block of 4 x 4 coefficients, (rows, columns)."""
    rows, columns = plane.shape[0] // 4, plane.shape[1] // 4
    blocks = plane.reshape(rows, 4, columns, 4).swapaxes(1, 2).reshape(rows, columns, 16)
    # Chroma lies around 128, none of it is negative: the largest coefficient is the one of the largest magnitude.
    return np.asarray((blocks[..., 1:].max(axis=-1) % STEP) > STEP / 2)


def _matching(votes: NDArray[np.bool_], numbers: NDArray[np.int64], bits: str) -> int:
    """How many bits of the message are read.

    A bit is one where more of its blocks say so than on the average of all bits: what the picture's own colours say
    everywhere takes no part.
    """
    place = numbers % len(bits)
    count = np.bincount(place, minlength=len(bits))
    share = np.bincount(place, weights=votes, minlength=len(bits)) / np.maximum(count, 1)
    read = share > share.mean()
    wanted = np.array([bit == "1" for bit in bits])
    return int(((read == wanted) & (count > 0)).sum())
