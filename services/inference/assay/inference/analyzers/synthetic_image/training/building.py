"""From the list of pictures to crops on disk: `crops-<split>-<number>.npy` (uint8 N, 128, 128, 3) and `.csv` beside."""

import csv
import io
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from assay.inference.analyzers.synthetic_image.crops import SIDE, choose
from assay.inference.analyzers.synthetic_image.training import repositories
from assay.inference.analyzers.synthetic_image.training.chain import (
    REGION,
    Passed,
    as_served,
    bring_to,
    cut,
    pass_through,
)
from assay.inference.analyzers.synthetic_image.training.listing import first_of_each, read_list
from assay.inference.analyzers.synthetic_image.training.sources import SOURCES, Source

COLUMNS = ("sha256", "source", "group", "generator", "synthetic", *(field.name for field in fields(Passed)))
CROPS_A_PICTURE = 2
_LONGEST = (400, 1600)
_APART = 96


class Pass:
    """Crops and what is known of each."""

    def __init__(self) -> None:
        self.crops: list[NDArray[np.uint8]] = []
        self.rows: list[dict[str, object]] = []

    def add(self, pixels: NDArray[np.uint8], sha256: str, source: Source, passed: Passed) -> None:
        """One crop of a picture, which went through what `passed` says."""
        self.crops.append(pixels)
        known = {"source": source.name, "group": source.group, "generator": source.generator}
        self.rows.append({"sha256": sha256, **known, "synthetic": int(source.synthetic), **asdict(passed)})


@contextmanager
def writing(folder: Path, name: str) -> Iterator[Pass]:
    """Fill a pass, then it is written: `crops-<name>.npy` and `.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    filled = Pass()
    yield filled
    with (folder / f"crops-{name}.csv").open("w", newline="") as stream:
        rows = csv.DictWriter(stream, COLUMNS)
        rows.writeheader()
        rows.writerows(filled.rows)
    np.save(folder / f"crops-{name}.npy", np.stack(filled.crops))
    print(f"{name}: {len(filled.crops)} crops")


def build(folder: Path, split: str, number: int, most: int, only: Collection[str], without: Collection[str]) -> None:
    """Write the crops of one pass over a split, of at most so many pictures of a source.

    Another number draws other ways through the chain; odd ones are mild. only, without: names of sources; an empty
    `only` means all.
    """
    sources = {source.name: source for source in SOURCES}
    listed = first_of_each(
        [
            one
            for one in read_list()
            if one.split == split and (not only or one.source in only) and one.source not in without
        ],
        most,
    )
    with writing(folder, f"{split}-{number}") as written:
        for repository, ones in groupby(listed, key=lambda one: one.repository):
            with repositories.open_blobs(repository.replace("/", "+")) as blobs:
                for one in ones:
                    source = sources[one.source]
                    rng = np.random.default_rng(zlib.crc32(f"{one.sha256} {number}".encode()))
                    for pixels, passed in crops_of(blobs.read(one.blob), source, rng, mild=number % 2 == 1):
                        written.add(pixels, one.sha256, source, passed)


def crops_of(content: bytes, source: Source, rng: Generator, *, mild: bool) -> list[tuple[NDArray[np.uint8], Passed]]:
    """Crops of one picture after one random way through the chain; none of a picture that becomes too small."""
    with Image.open(io.BytesIO(content)) as opened:
        lossless = opened.format not in ("JPEG", "MPO")
        if source.fit is not None:
            opened.draft("RGB", (2 * source.fit[1], 2 * source.fit[1]))
        image = opened.convert("RGB")
    if source.fit is not None:
        image = bring_to(image, int(rng.integers(source.fit[0], source.fit[1] + 1)), rng)
    elif rng.random() < (0.25 if mild else 0.6):
        image = bring_to(image, int(np.exp(rng.uniform(*np.log(_LONGEST)))), rng)
    image = cut(image, REGION, rng)
    if lossless:
        image = as_served(image, rng)
    if min(image.size) < SIDE:
        return []
    image, passed = pass_through(image, rng, smallest=SIDE + 16, mild=mild)
    if min(image.size) < SIDE:
        return []
    # the grid of an upright whole picture is not known after cutting: begin anywhere
    left, top = (int(rng.integers(min(8, room + 1))) for room in (image.width - SIDE, image.height - SIDE))
    pixels = np.asarray(image)[top:, left:]
    luma = np.asarray(image.convert("L"))[top:, left:]
    places = choose(luma, 2 * CROPS_A_PICTURE, apart=_APART)
    rng.shuffle(places)
    return [(pixels[y : y + SIDE, x : x + SIDE].copy(), passed) for y, x in places[:CROPS_A_PICTURE]]
