"""Photo-like pictures, each different: gradients, soft blotches and grain, seeded by their number."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

QUALITY = 85


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG on the local disk."""

    path: Path
    size: int
    sha256: str


def generate(folder: Path, count: int, width: int, height: int) -> list[Picture]:
    """Make that many, on all cores."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        return list(pool.map(partial(_make, folder, width, height), range(count), chunksize=8))


def described(pictures: Sequence[Picture], width: int, height: int) -> str:
    """What they are, for the output."""
    sizes = sorted(picture.size for picture in pictures)
    middle = sizes[len(sizes) // 2]
    return f"{len(pictures)} different JPEGs of {width}x{height}, {middle // 1024} KiB at the median"


def _make(folder: Path, width: int, height: int, number: int) -> Picture:
    random = np.random.default_rng(number)
    slope = np.add.outer(
        np.linspace(0, random.uniform(-90, 90), height), np.linspace(0, random.uniform(-90, 90), width)
    )
    coarse = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    blotches = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
    grain = random.normal(0, 6, (height, width, 1)).astype(np.float32)
    pixels = np.clip(blotches * 0.7 + slope[:, :, None].astype(np.float32) + 40 + grain, 0, 255).astype(np.uint8)
    path = folder / f"{number:05}.jpg"
    Image.fromarray(pixels).save(path, "JPEG", quality=QUALITY)
    content = path.read_bytes()
    return Picture(path, len(content), hashlib.sha256(content).hexdigest())
