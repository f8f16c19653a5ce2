"""Crops on disk as arrays, and how often each is drawn."""

import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from assay.inference.analyzers.synthetic_image.statistics import Statistics

VIEWS, ALIGNED, WAYS = "views", "aligned", "ways"
SHARES = {VIEWS: 0.35, ALIGNED: 0.35, WAYS: 0.3}
"""Share of draws of each kind of pass: of `views`, of `align`, of `build`."""

_BATCH = 32


@dataclass(frozen=True)
class Examples:
    """Features of crops and what is known of each: rows of the table beside the crops."""

    features: NDArray[np.float32]
    rows: list[dict[str, str]]

    @property
    def synthetic(self) -> NDArray[np.float32]:
        """1 for made, 0 for taken, of each row."""
        return made_of(self.rows)

    def where(self, chosen: NDArray[np.bool_]) -> "Examples":
        """Some of them."""
        return Examples(self.features[chosen], [row for row, take in zip(self.rows, chosen, strict=True) if take])

    def weights(self) -> NDArray[np.float64]:
        """How often a row is drawn."""
        return weights_of(self.rows)


def made_of(rows: Sequence[dict[str, str]]) -> NDArray[np.float32]:
    """1 for made, 0 for taken, of each row."""
    return np.array([float(row["synthetic"]) for row in rows], dtype=np.float32)


def weights_of(rows: list[dict[str, str]]) -> NDArray[np.float64]:
    """How often a row is drawn.

    Each kind of pass has its share. In each both classes are drawn alike, and large sources less than their size. Among
    pictures of about the same size, compressed or not, both classes are drawn alike too, so that these tell nothing.
    """
    weights = np.zeros(len(rows))
    for kind, share in SHARES.items():
        chosen = np.array([row["kind"] == kind for row in rows])
        if chosen.any():
            of_it = _balanced([row for row in rows if row["kind"] == kind])
            weights[chosen] = share * of_it / of_it.sum()
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _balanced(rows: list[dict[str, str]]) -> NDArray[np.float64]:
    counts = Counter((row["source"], row["synthetic"]) for row in rows)
    weights = np.array([counts[row["source"], row["synthetic"]] ** -0.4 for row in rows])
    made = np.array([row["synthetic"] == "1" for row in rows])
    look = [(_size_band(row), row["jpeg"] == "0" and row["webp"] == "0") for row in rows]
    strata = np.unique(look, axis=0, return_inverse=True)[1].reshape(-1)
    totals = [np.bincount(strata, weights * of_class, minlength=strata.max() + 1) for of_class in (~made, made)]
    least = np.minimum(*totals)
    return np.asarray(weights * least[strata] / np.where(made, totals[1][strata], totals[0][strata]))


def _size_band(row: dict[str, str]) -> int:
    """Half octaves of the shorter side."""
    return round(2 * math.log2(min(int(row["width"]), int(row["height"]))))


def read_rows(folder: Path, split: str) -> tuple[list[dict[str, str]], NDArray[np.float64]]:
    """What is known of the crops of all passes of a split, and how often each is drawn."""
    rows: list[dict[str, str]] = []
    for path in passes(folder, split):
        with path.with_suffix(".csv").open(newline="") as stream:
            of_pass = {"kind": _kind(path), "mild": str(int(_is_mild(path)))}
            rows += [{**row, **of_pass} for row in csv.DictReader(stream)]
    return rows, weights_of(rows)


def _is_mild(path: Path) -> bool:
    """Of `build` and `align`: the number at the end is odd."""
    return path.stem[-1] in "13579"


def _kind(path: Path) -> str:
    return next((kind for kind in SHARES if f"-{kind}" in path.stem), WAYS)


def read_examples(folder: Path, split: str) -> Examples:
    """All passes of a split. Features are computed once and kept beside the crops."""
    features = np.concatenate([_features_of(path) for path in passes(folder, split)])
    return Examples(features.astype(np.float32), read_rows(folder, split)[0])


def passes(folder: Path, split: str) -> list[Path]:
    """The files of crops of a split."""
    found = sorted(folder.glob(f"crops-{split}-*.npy"))
    if not found:
        raise SystemExit(f"no crops of {split} in {folder}: run the step build")
    return found


def _features_of(path: Path) -> NDArray[np.float16]:
    kept = path.with_name(path.name.replace("crops-", "features-"))
    if kept.exists() and kept.stat().st_mtime > path.stat().st_mtime:
        return np.asarray(np.load(kept))
    crops, statistics, found = np.load(path, mmap_mode="r"), Statistics(), []
    with torch.inference_mode():
        for first in range(0, len(crops), _BATCH):
            batch = torch.from_numpy(crops[first : first + _BATCH].copy()).permute(0, 3, 1, 2)
            found.append(statistics(batch).numpy().astype(np.float16))
    features = np.concatenate(found)
    np.save(kept, features)
    return features
