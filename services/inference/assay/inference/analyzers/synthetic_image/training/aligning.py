"""Crops of photos and of their reconstructions after the same way through the web, at the same places."""

import csv
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.inference.analyzers.synthetic_image.crops import SIDE, choose
from assay.inference.analyzers.synthetic_image.training.building import writing
from assay.inference.analyzers.synthetic_image.training.chain import pass_through
from assay.inference.analyzers.synthetic_image.training.sources import SOURCES

_APART = 96


def align(folder: Path, number: int) -> None:
    """Write one crop of both halves of each region of `reconstruct`. Odd numbers are mild, as in `build`."""
    sources = {source.name: source for source in SOURCES}
    with writing(folder, f"train-aligned-{number}") as written:
        for index, pair, row in _regions(folder):
            photo = sources[row["source"]]
            made = replace(photo, generator=row["autoencoder"], synthetic=True)
            seed = zlib.crc32(f"{row['sha256']} {index} {number}".encode())
            place: tuple[int, int] | None = None
            for region, source in zip(pair, (photo, made), strict=True):
                rng = np.random.default_rng(seed)
                image, passed = pass_through(Image.fromarray(region), rng, smallest=SIDE + 16, mild=number % 2 == 1)
                pixels = np.asarray(image)
                left, top = (int(rng.integers(min(8, room + 1))) for room in (image.width - SIDE, image.height - SIDE))
                if place is None:
                    places = choose(np.asarray(image.convert("L"))[top:, left:], 4, apart=_APART)
                    down, across = places[int(rng.integers(len(places)))]
                    place = (top + down, left + across)
                y, x = place
                written.add(pixels[y : y + SIDE, x : x + SIDE].copy(), row["sha256"], source, passed)


def _regions(folder: Path) -> Iterator[tuple[int, NDArray[np.uint8], dict[str, str]]]:
    for path in sorted(folder.glob("regions-*.npy")):
        with path.with_suffix(".csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        for index, (pair, row) in enumerate(zip(np.load(path, mmap_mode="r"), rows, strict=True)):
            yield index, pair, row
