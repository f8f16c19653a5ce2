"""Pairs that differ only in who made the pixels: regions of photos, and the same after an autoencoder.

Writes `regions-<number>.npy` (uint8 N, 2, 256, 256, 3: the photo, then its reconstruction) and `.csv` beside.
"""

import csv
import io
import zlib
from collections.abc import Collection, Iterator
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from assay.inference.analyzers.synthetic_image.training import repositories
from assay.inference.analyzers.synthetic_image.training.autoencoders import KINDS, Kind, reconstruct
from assay.inference.analyzers.synthetic_image.training.chain import bring_to, cut
from assay.inference.analyzers.synthetic_image.training.listing import Listed, read_list

SIDE = 256
COLUMNS = ("sha256", "source", "autoencoder")
_BATCH = 8
_LARGE, _DECODED = 3000, 2400
_LEFT_OUT = ("buildings", "statues")
"""Sources of one scene each."""

Region = NDArray[np.uint8]
Half = Literal["even", "odd", "both"]


def write_regions(folder: Path, number: int, half: Half, only: Collection[str], without: Collection[str]) -> None:
    """Cut regions of photos of the training split and send each through one autoencoder drawn for it.

    half: of the photos, by their sha256, so that two processes can share the work. only, without: names of sources; an
    empty `only` means all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    waiting: dict[Kind, list[tuple[Listed, Region]]] = {kind: [] for kind in KINDS}
    pairs: list[NDArray[np.uint8]] = []
    with (folder / f"regions-{number}.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(COLUMNS)

        def decode(kind: Kind) -> None:
            batch = waiting[kind]
            photos = torch.from_numpy(np.stack([region for _, region in batch])).permute(0, 3, 1, 2)
            made = reconstruct(kind, photos, seed=zlib.crc32(batch[0][0].sha256.encode()))
            for (one, region), decoded in zip(batch, made.permute(0, 2, 3, 1).numpy(), strict=True):
                pairs.append(np.stack((region, decoded)))
                rows.writerow((one.sha256, one.source, kind.name))
            batch.clear()

        for one, region, kind in _regions(half, only, without):
            waiting[kind].append((one, region))
            if len(waiting[kind]) == _BATCH:
                decode(kind)
        for kind in KINDS:
            if waiting[kind]:
                decode(kind)
    np.save(folder / f"regions-{number}.npy", np.stack(pairs))
    print(f"{len(pairs)} regions and their reconstructions")


def _regions(half: Half, only: Collection[str], without: Collection[str]) -> Iterator[tuple[Listed, Region, Kind]]:
    photos = [
        one
        for one in read_list()
        if one.split == "train"
        and not one.synthetic
        and (not only or one.source in only)
        and one.source not in (*_LEFT_OUT, *without)
        and half in ("both", ("even", "odd")[int(one.sha256[-1], 16) % 2])
    ]
    photos.sort(key=lambda one: (one.repository, one.sha256))
    for repository, ones in groupby(photos, key=lambda one: one.repository):
        with repositories.open_blobs(repository.replace("/", "+")) as blobs:
            for one in ones:
                rng = np.random.default_rng(zlib.crc32(f"{one.sha256} recon".encode()))
                for region in _cut_from(blobs.read(one.blob), rng):
                    yield one, region, KINDS[int(rng.integers(len(KINDS)))]


def _cut_from(content: bytes, rng: Generator) -> Iterator[Region]:
    """One to three regions; of larger pictures mostly after shrinking, which takes earlier compression away."""
    with Image.open(io.BytesIO(content)) as opened:
        if max(opened.size) > _LARGE:
            opened.draft("RGB", (_DECODED, _DECODED))
        image = opened.convert("RGB")
    shorter = min(image.size)
    if shorter < SIDE:
        return
    if rng.random() < 0.7 and shorter > 400:
        drawn = float(np.exp(rng.uniform(np.log(max(SIDE + 64, shorter * 0.2)), np.log(shorter))))
        image = bring_to(image, int(max(image.size) * drawn / shorter), rng)
    shorter = min(image.size)
    for _ in range(1 if shorter < 400 else 2 if shorter < 900 else 3):
        region = np.asarray(cut(image, SIDE, rng))
        if region.shape[:2] == (SIDE, SIDE):
            yield region
