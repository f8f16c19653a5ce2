"""Photos for training and calibration, split once and for all by their own bytes."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from assay.inference.analyzers.splicing.training.making import Pixels, opened, saved

QUALITIES = (0, 95, 90, 85, 75, 60)  # of the last saving; 0 is a PNG

_CHECKED = 3  # of ten photos; the others train
_ENOUGH = 500_000  # pixels
_LEAST_SIDE = 200
_KINDS = (".jpg", ".jpeg", ".png", ".webp")
_WAYS_TO_RESIZE = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4, cv2.INTER_AREA)


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """An unedited photo of about half a megapixel or less, with its own source of chance.

    repository, path, blob, sha256  which file it is: blob is git's name of its bytes
    checks                          True: it takes part in calibration, not in training
    """

    repository: str
    path: str
    blob: str
    sha256: str
    pixels: Pixels
    checks: bool
    chance: np.random.Generator


def photos(folder: Path, *, most: int, without: frozenset[str] = frozenset()) -> Iterator[Photo]:
    """At most `most` photos of each folder `<owner>+<name>` under `folder`, in the order of their hashes.

    without: sha256 of files that may not be used. Near-duplicates are the reader's to keep out. Large photos are made
    smaller or cut, by chance.
    """
    for source in sorted(path for path in folder.iterdir() if path.is_dir()):
        known: dict[str, Path] = {}
        for path in sorted(path for path in source.rglob("*") if path.suffix.lower() in _KINDS):
            known.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), path)
        for digest in sorted(set(known) - without)[:most]:
            chance = np.random.default_rng(int(digest[:12], 16))
            try:
                pixels = _pixels(known[digest], chance)
            except OSError:  # cut off
                continue
            if min(pixels.shape[:2]) >= _LEAST_SIDE:
                path = known[digest]
                yield Photo(
                    repository=source.name.replace("+", "/"),
                    path=str(path.relative_to(source)),
                    blob=_blob(path.read_bytes()),
                    sha256=digest,
                    pixels=pixels,
                    checks=int(digest[-4:], 16) % 10 < _CHECKED,
                    chance=chance,
                )


def excluded(lists: Sequence[Path]) -> frozenset[str]:
    """The hashes in files that begin each line with one, and those of all files in folders."""
    found: set[str] = set()
    for path in lists:
        if path.is_dir():
            found |= {hashlib.sha256(each.read_bytes()).hexdigest() for each in path.rglob("*") if each.is_file()}
        else:
            found |= {line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()}
    return frozenset(found)


def aged(pixels: Pixels, chance: np.random.Generator) -> Pixels:
    """Give a photo a past: nothing, a JPEG of quality 60..95, another size, or both."""
    way = int(chance.integers(0, 4))
    if way >= 2:
        scale = float(chance.uniform(0.55, 1.35))
        kind = _WAYS_TO_RESIZE[int(chance.integers(0, len(_WAYS_TO_RESIZE)))]
        pixels = np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=kind))
    if way in (1, 3):
        pixels = opened(saved(pixels, int(chance.integers(60, 96))))
    return pixels


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _pixels(path: Path, chance: np.random.Generator) -> Pixels:
    with Image.open(BytesIO(path.read_bytes())) as image:
        if image.width * image.height > 16 * _ENOUGH:
            image.draft("RGB", (image.width // 2, image.height // 2))
        pixels = np.asarray(image.convert("RGB"))
    height, width = pixels.shape[:2]
    if height * width <= _ENOUGH:
        return pixels
    if chance.random() < 0.5:
        scale = (chance.uniform(0.5, 1.0) * _ENOUGH / (height * width)) ** 0.5
        return np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
    tall, wide = (min(side, int(chance.integers(400, 700))) for side in (height, width))
    top, left = int(chance.integers(0, height - tall + 1)), int(chance.integers(0, width - wide + 1))
    return np.ascontiguousarray(pixels[top : top + tall, left : left + wide])
