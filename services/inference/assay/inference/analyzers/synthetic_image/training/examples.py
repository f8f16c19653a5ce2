"""Crops on disk as arrays, and how often each is drawn."""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from assay.inference.analyzers.synthetic_image.statistics import Statistics

_BATCH = 32


@dataclass(frozen=True)
class Examples:
    """Features of crops and what is known of each: rows of the table beside the crops."""

    features: NDArray[np.float32]
    rows: list[dict[str, str]]

    @property
    def synthetic(self) -> NDArray[np.float32]:
        """1 for made, 0 for taken, of each row."""
        return np.array([float(row["synthetic"]) for row in self.rows], dtype=np.float32)

    def where(self, chosen: NDArray[np.bool_]) -> "Examples":
        """Some of them."""
        return Examples(self.features[chosen], [row for row, take in zip(self.rows, chosen, strict=True) if take])

    def weights(self) -> NDArray[np.float64]:
        """How often a row is drawn."""
        return weights_of(self.rows)


def weights_of(rows: list[dict[str, str]]) -> NDArray[np.float64]:
    """How often a row is drawn: both classes alike, and large sources less than their size."""
    counts = Counter((row["source"], row["synthetic"]) for row in rows)
    totals = {mark: sum(n**0.6 for (_, one), n in counts.items() if one == mark) for mark in ("0", "1")}
    return np.array([counts[row["source"], row["synthetic"]] ** -0.4 / totals[row["synthetic"]] for row in rows])


def read_rows(folder: Path, split: str) -> tuple[list[dict[str, str]], NDArray[np.float64]]:
    """What is known of the crops of all passes of a split, and how often each is drawn."""
    rows: list[dict[str, str]] = []
    for path in _passes(folder, split):
        with path.with_suffix(".csv").open(newline="") as stream:
            rows += list(csv.DictReader(stream))
    return rows, weights_of(rows)


def read_examples(folder: Path, split: str) -> Examples:
    """All passes of a split. Features are computed once and kept beside the crops."""
    features = np.concatenate([_features_of(path) for path in _passes(folder, split)])
    return Examples(features.astype(np.float32), read_rows(folder, split)[0])


def _passes(folder: Path, split: str) -> list[Path]:
    passes = sorted(folder.glob(f"crops-{split}-*.npy"))
    if not passes:
        raise SystemExit(f"no crops of {split} in {folder}: run the step build")
    return passes


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
