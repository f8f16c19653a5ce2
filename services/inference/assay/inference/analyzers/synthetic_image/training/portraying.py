"""Portraits of the training split, and the ways they go, the same for made and real ones.

Within each repository both classes have the same size and the same tables: portraits of 1024 pixels, of which the real
ones were saved at JPEG 75, are shrunk to about 300 after the made ones were saved so too.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from assay.inference.analyzers.synthetic_image.training import repositories
from assay.inference.analyzers.synthetic_image.training.chain import FILTERS
from assay.inference.analyzers.synthetic_image.training.listing import first_of_each, read_list

SIDE = 224
"""Side of the square that is cut of a portrait in training."""
SHRUNK = 300
PAIRS = (("stylegan2-300", "portraits-300"), ("stylegan2-1024", "ffhq-1024"), ("stylegan-256", "ffhq-256"))
"""Sources of made and of real portraits, of the same repository each."""

_LARGE = 600
_SEED = 5

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Portrait:
    """A portrait of the list in one or more sizes; the first is as the analyzer would see it."""

    source: str
    sha256: str
    synthetic: int
    forms: tuple[Pixels, ...]

    @property
    def held_out(self) -> bool:
        """A fifth is never trained on: the thresholds are set on it."""
        return int(self.sha256, 16) % 5 == 0

    @property
    def shrunk(self) -> bool:
        """Its forms were never compressed at their size."""
        return len(self.forms) > 1


def read_portraits(least: int, most: int, count: int) -> list[Portrait]:
    """All of the list, decoded. Large ones become 300 pixels wide, and `count` sizes of least..most - 1 pixels."""
    names = {name for pair in PAIRS for name in pair}
    listed = [one for one in read_list() if one.source in names]
    rng, found = np.random.default_rng(_SEED), []
    for one in first_of_each(listed, len(listed)):
        with repositories.open_blobs(one.repository.replace("/", "+")) as blobs:
            image = Image.open(io.BytesIO(blobs.read(one.blob))).convert("RGB")
        if one.source == "stylegan2-1024":
            image = saved(image, 75)
        forms = [image]
        if image.width > _LARGE:
            sides = (SHRUNK, *(int(side) for side in rng.integers(least, most, count)))
            forms = [image.resize((side, side), FILTERS[int(rng.integers(len(FILTERS)))]) for side in sides]
        found.append(Portrait(one.source, one.sha256, one.synthetic, tuple(np.asarray(form) for form in forms)))
    return found


def drawn(portrait: Portrait, rng: Generator) -> Pixels:
    """A square of 224 pixels of it after a mild way through the web, or as it is."""
    image = Image.fromarray(portrait.forms[int(rng.integers(len(portrait.forms)))])
    way = rng.random()
    if portrait.shrunk:
        if way < 0.45:
            image = saved(image, 75)
        elif way < 0.9:
            image = _saved_somehow(image, rng)
    elif way > 0.5:
        if rng.random() < 0.5:
            side = int(rng.integers(228 if image.width < 290 else 240, int(image.width * 1.15)))
            image = image.resize((side, side), FILTERS[int(rng.integers(len(FILTERS)))])
        image = _saved_somehow(image, rng)
    left, top = (int(rng.integers(image.width - SIDE + 1)) for _ in range(2))
    pixels = np.asarray(image)[top : top + SIDE, left : left + SIDE]
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    if rng.random() < 0.3:
        contrast, light = rng.uniform(0.85, 1.15), rng.uniform(-12, 12)
        changed = (pixels.astype(np.float32) - 128) * contrast + 128 + light
        pixels = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
    if rng.random() < 0.05:
        pixels = np.repeat(pixels[..., 1:2], 3, 2)
    return pixels


def saved(image: Image.Image, quality: int, subsampling: int = 2) -> Image.Image:
    """As JPEG, decoded again."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    buffer.seek(0)
    return Image.open(buffer).convert("RGB")


def _saved_somehow(image: Image.Image, rng: Generator) -> Image.Image:
    return saved(image, int(rng.integers(70, 99)), int(rng.choice((0, 2, 2))))
