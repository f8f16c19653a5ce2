"""The whole picture made small, for what is told by how it looks and not by its finest traces."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SHORTEST, LONGEST = 224, 1200
"""Shorter sides of pictures that are looked at whole: StyleGAN2 makes 1024 pixels, and shrinking more takes long."""

_KEPT, _SHORTER = 340, 300
NOTHING = np.zeros((0, 0, 3), np.uint8)
"""Of pictures that are not looked at whole."""


def whole(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture as it is, or shrunk if its shorter side is above 340 pixels: to 300, from 600 on to 300..399.

    pixels: uint8 (H, W, 3). Returns uint8 (h, w, 3), or (0, 0, 3) of pictures that are too small, too large, or more
    than twice as long as wide: none of these is a portrait of a kind that was trained on.
    """
    height, width = pixels.shape[:2]
    shorter, longer = sorted((height, width))
    if not SHORTEST <= shorter <= LONGEST or longer > 2 * shorter:
        return NOTHING
    if shorter <= _KEPT:
        return pixels
    if shorter >= 2 * _SHORTER:  # a third of the time
        return np.asarray(Image.fromarray(pixels).reduce(shorter // _SHORTER))
    size = (round(width * _SHORTER / shorter), round(height * _SHORTER / shorter))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
