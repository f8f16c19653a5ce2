"""Photo-like pictures, each different: gradients, soft blotches and grain, or texture; seeded by their number."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

QUALITY = 85

Paint = Callable[[np.random.Generator, int, int], NDArray[np.float32]]
"""Chance, width and height to float32 (height, width, 3), gray levels."""

TEXTURE = (256, 128, 64, 32, 16, 8, 4, 2, 1)
"""Pixels between two values of chance."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG on the local disk."""

    path: Path
    size: int
    sha256: str


def blotches(random: np.random.Generator, width: int, height: int) -> NDArray[np.float32]:
    """Soft colours with grain: enough for a network that sees it small."""
    slope = np.add.outer(
        np.linspace(0, random.uniform(-90, 90), height), np.linspace(0, random.uniform(-90, 90), width)
    )
    coarse = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
    grain = random.normal(0, 6, (height, width, 1)).astype(np.float32)
    return soft * 0.7 + slope[:, :, None].astype(np.float32) + 40 + grain


def textured(random: np.random.Generator, width: int, height: int) -> NDArray[np.float32]:
    """Detail of all sizes, as photos have it: smooth fields of chance, each half as coarse and weaker than the last.

    For analyzers that look for detail; their squares would not differ in soft colours.
    """
    pixels = np.full((height, width, 3), 118, np.float32)
    for scale in TEXTURE:
        across, down = width // scale + 2, height // scale + 2
        gray, colours = random.normal(0, 1, (down, across, 1)), random.normal(0, 0.35, (down, across, 3))
        field = (gray + colours).astype(np.float32)
        planes = [Image.fromarray(field[..., n]).resize((width, height), Image.Resampling.BICUBIC) for n in range(3)]
        pixels += 46 * (scale / TEXTURE[0]) ** 0.5 * np.stack([np.asarray(plane) for plane in planes], axis=-1)
    return pixels


def generate(folder: Path, count: int, width: int, height: int, paint: Paint = blotches) -> list[Picture]:
    """Make that many, on all cores."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        return list(pool.map(partial(_make, folder, width, height, paint), range(count), chunksize=8))


def described(pictures: Sequence[Picture], width: int, height: int) -> str:
    """What they are, for the output."""
    sizes = sorted(picture.size for picture in pictures)
    middle = sizes[len(sizes) // 2]
    return f"{len(pictures)} different JPEGs of {width}x{height}, {middle // 1024} KiB at the median"


def _make(folder: Path, width: int, height: int, paint: Paint, number: int) -> Picture:
    pixels = np.clip(paint(np.random.default_rng(number), width, height), 0, 255).astype(np.uint8)
    path = folder / f"{number:05}.jpg"
    Image.fromarray(pixels).save(path, "JPEG", quality=QUALITY)
    content = path.read_bytes()
    return Picture(path, len(content), hashlib.sha256(content).hexdigest())
