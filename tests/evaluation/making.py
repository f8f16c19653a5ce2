"""Forgeries with known masks, made of the real photos of the sets, beside the same photos saved in the same way.

`made_splices`: a part of another photo (`pictures.splice`). `made_copies`: a part of the same photo, half of them
turned by up to 30° and scaled by 0.8 to 1.25. Every other one is saved as a JPEG, the rest without loss. Nothing has
soft edges, and nobody looked for places where it would not be seen: what people make is harder to find.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.pictures import Photo, opened, photos, saved, splice

FOLDERS = (
    "images/sd_vs_photo/real",
    "images/composite_faces/real",
    "images/exif_camera/real",
    "images/casia2_jpg/real",
)
PER_FOLDER = 12
SMALLEST = 200
"""Pixels of the shorter side of a photo."""

LARGEST = 1600
"""Pixels of the longer side: larger ones are cropped, so that no photo is resampled."""


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A forgery, the photo that it was made of, saved alike, and the mask of what was put there."""

    name: str
    forged: bytes
    real: bytes
    mask: NDArray[np.bool_]


Maker = Callable[[Photo, Photo, bool], Made]


def made(maker: Maker, folders: list[Path]) -> Iterator[Made]:
    """One forgery of each of the first photos of the folders."""
    for folder in folders:
        hosts = list(
            islice((_cropped(each) for each in photos(folder) if min(each.pixels.size) >= SMALLEST), PER_FOLDER)
        )
        for index, host in enumerate(hosts):
            yield maker(host, hosts[(index + 1) % len(hosts)], index % 2 == 1)


def splices(host: Photo, donor: Photo, lossless: bool) -> Made:
    """Put a part of one photo into another."""
    found = splice(host, donor, lossless=lossless)
    real = saved(opened(saved(host.pixels, found.host)), found.saved)
    return Made(host.name, found.content, real, found.mask)


def copies(host: Photo, donor: Photo, lossless: bool) -> Made:
    """Put a part of a photo at another place of it, a fifth to a third of its sides large."""
    del donor
    chance = host.chance
    canvas = np.array(host.pixels)
    height, width = canvas.shape[:2]
    tall, wide = (int(side * chance.uniform(0.2, 0.33)) for side in (height, width))
    turn, scale = (chance.uniform(-30, 30), chance.uniform(0.8, 1.25)) if chance.random() < 0.5 else (0.0, 1.0)
    top, left = int(chance.integers(0, height - tall)), int(chance.integers(0, width - wide))
    part = host.pixels.crop((left, top, left + wide, top + tall)).convert("RGBA")
    if turn or scale != 1.0:
        size = (max(8, round(wide * scale)), max(8, round(tall * scale)))
        part = part.resize(size, Image.Resampling.BICUBIC).rotate(turn, Image.Resampling.BICUBIC, expand=True)
    pixels = np.array(part)
    opaque = pixels[..., 3] == 255
    y, x = _elsewhere(chance, (height, width), opaque.shape, (top, left, tall, wide))
    opaque, pixels = opaque[: height - y, : width - x], pixels[: height - y, : width - x]
    there = (slice(y, y + opaque.shape[0]), slice(x, x + opaque.shape[1]))
    canvas[there][opaque] = pixels[..., :3][opaque]
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[there] = opaque
    mask[top : top + tall, left : left + wide] = True
    quality = 0 if lossless else int(chance.integers(75, 96))
    return Made(host.name, saved(Image.fromarray(canvas), quality), saved(host.pixels, quality), mask)


def _elsewhere(
    chance: np.random.Generator, size: tuple[int, int], part: tuple[int, ...], taken: tuple[int, int, int, int]
) -> tuple[int, int]:
    """Row and column where a part covers little of where it was taken from: the best of some drawn places."""
    top, left, tall, wide = taken
    places = [
        (int(chance.integers(0, max(1, size[0] - part[0]))), int(chance.integers(0, max(1, size[1] - part[1]))))
        for _ in range(20)
    ]

    def covered(place: tuple[int, int]) -> int:
        down = min(place[0] + part[0], top + tall) - max(place[0], top)
        across = min(place[1] + part[1], left + wide) - max(place[1], left)
        return max(0, down) * max(0, across)

    return min(places, key=covered)


def _cropped(photo: Photo) -> Photo:
    """The middle of a large photo, from a corner of its 8x8 blocks."""
    width, height = photo.pixels.size
    left, top = (max(0, (side - LARGEST) // 2 // 8 * 8) for side in (width, height))
    box = (left, top, min(width, left + LARGEST), min(height, top + LARGEST))
    return Photo(photo.name, photo.pixels.crop(box), photo.chance)
