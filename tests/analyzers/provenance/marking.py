"""Writes marks of the scheme DWT-DCT, from its description: the counterpart of what the analyzer reads."""

import numpy as np
from numpy.typing import NDArray

STEP = 36.0


def marked(rgb: NDArray[np.uint8], bits: str) -> NDArray[np.uint8]:
    """The picture, uint8 (H, W, 3), with a message spread over the blocks of its chroma U."""
    height, width = (side // 8 * 8 for side in rgb.shape[:2])
    y, u, v = _yuv(rgb)
    part = u[:height, :width]
    a, b, c, d = part[0::2, 0::2], part[0::2, 1::2], part[1::2, 0::2], part[1::2, 1::2]
    low = (a + b + c + d) / 2
    rows, columns = height // 8, width // 8
    blocks = low.reshape(rows, 4, columns, 4).swapaxes(1, 2).reshape(rows * columns, 16).copy()
    at = np.abs(blocks[:, 1:]).argmax(axis=1) + 1
    number = np.arange(len(blocks))
    wanted = np.array([bit == "1" for bit in bits])[number % len(bits)]
    blocks[number, at] = (blocks[number, at] // STEP + np.where(wanted, 0.75, 0.25)) * STEP
    new = blocks.reshape(rows, columns, 4, 4).swapaxes(1, 2).reshape(low.shape)
    # Each of the four pixels takes a half of what the low band gained: the other bands stay as they are.
    u[:height, :width] += np.repeat(np.repeat((new - low) / 2, 2, axis=0), 2, axis=1)
    return _rgb(y, u, v)


def _yuv(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.float64], ...]:
    red, green, blue = (rgb[..., n].astype(np.float64) for n in range(3))
    y = np.rint(0.299 * red + 0.587 * green + 0.114 * blue)
    return y, np.rint(0.492 * (blue - y) + 128), np.rint(0.877 * (red - y) + 128)


def _rgb(y: NDArray[np.float64], u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.uint8]:
    blue, red = y + (u - 128) / 0.492, y + (v - 128) / 0.877
    green = (y - 0.299 * red - 0.114 * blue) / 0.587
    return np.clip(np.rint(np.stack([red, green, blue], axis=-1)), 0, 255).astype(np.uint8)
