"""Pictures for the tests: scenes with things, light and grain, and what is done to them."""

from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]


def scene(seed: int = 1, width: int = 480, height: int = 360, grain: float = 4.0) -> Pixels:
    """Leaves and stones of all sizes, soft like a lens sees them, with noise of its own everywhere."""
    random = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 120.0)
    for _ in range(width * height // 350):
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        axes = int(random.integers(2, 14)), int(random.integers(2, 14))
        colour = tuple(float(each) for each in random.uniform(40, 215, 3))
        cv2.ellipse(picture, (x, y), axes, float(random.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    picture = cv2.GaussianBlur(picture, (0, 0), 0.9) + random.normal(0, grain, (height, width, 1))
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def tiles(seed: int = 2, side: int = 48, columns: int = 9, rows: int = 7) -> Pixels:
    """A wall of equal tiles, photographed: every tile has the same pattern and noise of its own."""
    random = np.random.default_rng(seed)
    tile = scene(seed + 100, side, side, grain=0.0).astype(np.float64)
    wall = np.tile(tile, (rows, columns, 1))
    light = np.linspace(0.8, 1.1, wall.shape[1])[None, :, None]
    return np.clip(np.rint(wall * light + random.normal(0, 4.0, (*wall.shape[:2], 1))), 0, 255).astype(np.uint8)


def with_copy(pixels: Pixels, box: Box, to: tuple[int, int], turn: float = 0.0, scale: float = 1.0) -> Pixels:
    """Copy a box (x, y, width, height) so that its middle comes to lie at `to`, turned by degrees and scaled."""
    x, y, wide, tall = box
    middle = x + wide / 2, y + tall / 2
    matrix = cv2.getRotationMatrix2D(middle, -turn, scale)  # OpenCV turns anticlockwise
    matrix[:, 2] += np.array(to) - middle
    mask = np.zeros(pixels.shape[:2], np.uint8)
    mask[y : y + tall, x : x + wide] = 1
    size = pixels.shape[1], pixels.shape[0]
    there = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_NEAREST) > 0
    moved = cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_CUBIC)
    return np.where(there[..., None], moved, pixels).astype(np.uint8)


def with_part(host: Pixels, donor: Pixels, box: Box) -> Pixels:
    """Put what a donor of the same size has in a box there."""
    x, y, wide, tall = box
    made = host.copy()
    made[y : y + tall, x : x + wide] = donor[y : y + tall, x : x + wide]
    return made


def encoded(pixels: Pixels, quality: int = 0, **options: Any) -> bytes:
    """The bytes of a JPEG, or of a PNG for quality 0."""
    output = BytesIO()
    if quality:
        Image.fromarray(pixels).save(output, "JPEG", quality=quality, **options)
    else:
        Image.fromarray(pixels).save(output, "PNG", **options)
    return output.getvalue()


def share_of(found: Box, true: Box) -> float:
    """Intersection over union of two boxes."""
    left, top = max(found[0], true[0]), max(found[1], true[1])
    right, bottom = min(found[0] + found[2], true[0] + true[2]), min(found[1] + found[3], true[1] + true[3])
    both = max(0, right - left) * max(0, bottom - top)
    return both / (found[2] * found[3] + true[2] * true[3] - both)
