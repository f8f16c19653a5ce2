"""Measures photos and what is made of them: the data that training and calibration read."""

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from assay.inference.analyzers.splicing.copies.search import Search, search
from assay.inference.analyzers.splicing.copies.weighing import FEATURES, features
from assay.inference.analyzers.splicing.residual.traces import cell_side, count_patterns
from assay.inference.analyzers.splicing.training.making import WAYS, copied, saved, spliced
from assay.inference.analyzers.splicing.training.photos import QUALITIES, Photo, aged

_DONORS = 40  # photos kept in memory to take parts from


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One picture's patterns. quality: of its last saving. mask: share of each cell that was pasted; None: unedited."""

    name: str
    checks: bool
    quality: int
    counts: NDArray[np.uint16]
    mask: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """What the search for copies gave: the features of each pair of parts, and whether it is the one that was made."""

    name: str
    way: str
    quality: int
    features: NDArray[np.float64]
    right: NDArray[np.bool_]


def luma(content: bytes) -> NDArray[np.uint8]:
    """Y of a file's bytes, as the analyzer decodes it."""
    with Image.open(BytesIO(content)) as image:
        image.draft("L", image.size)
        return np.array(image.convert("L"))


def measured(photos: Iterable[Photo], past: int) -> list[Measured]:
    """The patterns of each photo under `past` pasts; of photos that check, also of a splice of the same quality."""
    found: list[Measured] = []
    donors: list[Photo] = []
    for photo in photos:
        for _ in range(1 if photo.checks else past):
            host, quality = aged(photo.pixels, photo.chance), int(photo.chance.choice(QUALITIES))
            found.append(Measured(photo.sha256, photo.checks, quality, _counts(luma(saved(host, quality)))))
            if photo.checks and donors:
                donor = aged(donors[int(photo.chance.integers(0, len(donors)))].pixels, photo.chance)
                if min(donor.shape[:2]) >= 120:
                    made = spliced(host, donor, photo.chance)
                    pixels = luma(saved(made.pixels, quality))
                    mask = _in_cells(made.target, cell_side(*pixels.shape))
                    found.append(Measured(photo.sha256, True, quality, _counts(pixels), mask))
        donors = [*donors, photo][-_DONORS:]
    return found


def searched(photos: Iterable[Photo]) -> list[Searched]:
    """What is found in each photo unedited, and in half of them after a copy-move."""
    found = []
    for index, photo in enumerate(photos):
        quality = QUALITIES[index % len(QUALITIES)]
        result = search(luma(saved(photo.pixels, quality)))
        values = _features(result)
        found.append(Searched(photo.sha256, "", quality, values, np.zeros(len(values), dtype=np.bool_)))
        if index % 2:
            continue
        way = WAYS[index // 2 % len(WAYS)]
        made = copied(photo.pixels, photo.chance, way)
        result = search(luma(saved(made.pixels, quality)))
        values = _features(result)
        assert made.source is not None
        truth = made.target | made.source
        right = np.array([_overlap(copy.target | copy.source, truth) > 0.3 for copy in result.copies], dtype=np.bool_)
        found.append(Searched(photo.sha256, way, quality, values, right))
    return found


def _features(result: Search) -> NDArray[np.float64]:
    return np.array([features(copy) for copy in result.copies]).reshape(len(result.copies), FEATURES)


def _counts(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    return count_patterns(torch.from_numpy(pixels)).numpy().astype(np.uint16)


def _in_cells(mask: NDArray[np.bool_], side: int) -> NDArray[np.float32]:
    rows, columns = mask.shape[0] // side, mask.shape[1] // side
    cut = mask[: rows * side, : columns * side].astype(np.float32)
    return np.asarray(cv2.resize(cut, (columns, rows), interpolation=cv2.INTER_AREA))


def _overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))
