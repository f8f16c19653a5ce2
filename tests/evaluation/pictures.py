"""Ordinary photos, what people do to them, and splices whose true mask is known.

All randomness is seeded by the picture's own bytes, so every run measures the same pictures.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

QUALITIES = tuple(range(60, 96, 5))
WAYS = ("once", "twice", "cropped", "resized")


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A photo of a set, as pixels, with its own source of chance."""

    name: str
    pixels: Image.Image
    chance: np.random.Generator


@dataclass(frozen=True, slots=True, eq=False)
class Splice:
    """Bytes of a spliced picture. `host`, `saved`: qualities of the host before, and of the saving; 0 is a PNG."""

    content: bytes
    mask: NDArray[np.bool_]
    host: int
    saved: int


def photos(path: Path) -> Iterator[Photo]:
    """The photos of a folder, in the order of their names."""
    for file in sorted(path.iterdir()):
        content = file.read_bytes()
        seed = int.from_bytes(hashlib.sha256(content).digest()[:8], "big")
        with Image.open(BytesIO(content)) as image:
            if min(image.size) >= 64:
                yield Photo(file.name, image.convert("RGB"), np.random.default_rng(seed))


def saved(pixels: Image.Image, quality: int) -> bytes:
    """The bytes of a JPEG, or of a PNG for quality 0."""
    output = BytesIO()
    if quality:
        pixels.save(output, "JPEG", quality=quality)
    else:
        pixels.save(output, "PNG")
    return output.getvalue()


def opened(content: bytes) -> Image.Image:
    with Image.open(BytesIO(content)) as image:
        return image.convert("RGB")


def unedited(photo: Photo, way: str, quality: int) -> bytes:
    """Save the whole photo again in one of WAYS; an earlier saving is at a quality of 60..95 by chance."""
    chance, pixels = photo.chance, photo.pixels
    if way == "once":
        return saved(pixels, quality)
    before = opened(saved(pixels, int(chance.integers(60, 96))))
    if way == "cropped":
        left, top = chance.integers(0, 8, 2)
        before = before.crop((int(left), int(top), before.width, before.height))
    elif way == "resized":
        scale = float(chance.uniform(0.5, 1.3))
        size = (max(80, round(before.width * scale)), max(80, round(before.height * scale)))
        before = before.resize(size, Image.Resampling.LANCZOS)
    return saved(before, quality)


def splice(host: Photo, donor: Photo, *, lossless: bool) -> Splice:
    """Paste a part of one photo into another of a different history and save the result.

    Host and donor were JPEGs of a quality of 60..95 before; half of the donors were resized since; the part is an
    ellipse or a rectangle with sides of 20 to 45 % of the host's.
    """
    chance = host.chance
    before = int(chance.integers(60, 96))
    canvas = np.array(opened(saved(host.pixels, before)))
    source = opened(saved(donor.pixels, int(chance.integers(60, 96))))
    if chance.random() < 0.5:
        scale = float(chance.uniform(0.7, 1.2))
        source = source.resize((max(80, round(source.width * scale)), max(80, round(source.height * scale))))
    patch = np.array(source)
    height, width = canvas.shape[:2]
    tall = min(int(height * chance.uniform(0.2, 0.45)), patch.shape[0] - 1)
    wide = min(int(width * chance.uniform(0.2, 0.45)), patch.shape[1] - 1)
    y, x = int(chance.integers(0, height - tall)), int(chance.integers(0, width - wide))
    top, left = int(chance.integers(0, patch.shape[0] - tall)), int(chance.integers(0, patch.shape[1] - wide))
    shape = np.ones((tall, wide), dtype=np.bool_)
    if chance.random() < 0.5:
        rows, columns = np.ogrid[:tall, :wide]
        shape = ((rows + 0.5) / tall - 0.5) ** 2 + ((columns + 0.5) / wide - 0.5) ** 2 < 0.25
    canvas[y : y + tall, x : x + wide][shape] = patch[top : top + tall, left : left + wide][shape]
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[y : y + tall, x : x + wide] = shape
    quality = 0 if lossless else int(chance.integers(60, 96))
    return Splice(saved(Image.fromarray(canvas), quality), mask, before, quality)
