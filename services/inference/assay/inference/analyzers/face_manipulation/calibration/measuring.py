"""The networks' answers to labelled faces, kept in a file so that fitting again costs nothing."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from assay.inference.analyzers.face_manipulation import weights
from assay.inference.analyzers.face_manipulation.calibration.sources import SOURCES, Labelled
from assay.inference.analyzers.face_manipulation.detection import FaceFinder
from assay.inference.analyzers.face_manipulation.mesonet import SIDE
from assay.inference.analyzers.face_manipulation.networks import Networks, crop
from assay.inference.analyzers.face_manipulation.picture import decode
from assay.inference.analyzers.face_manipulation.pyramid import Pixels
from assay.inference.models import ModelStore, sha256_of
from assay.sdk import Media, NotApplicableError

_VIDEO = re.compile(r"(?<![a-z])[a-z]{10}(?![a-z])")  # how the Deepfake Detection Challenge names its videos
_WORSENED = ((96, 95), (144, 60))  # side of the small crop, quality of the JPEG
_SAME_PICTURE = 5  # bits of 64 that differ at most between two copies of one picture


@dataclass(frozen=True, slots=True)
class Measured:
    """One picture: the answers to its largest face, none where no face was found.

    worsened  the answers to the same face made small and soft; real faces only
    """

    source: str
    manipulated: bool
    group: str
    answers: tuple[float, ...]
    worsened: tuple[float, ...]


def measure(repositories: Path, models: Path, left_out: "LeftOut") -> Iterator[Measured]:
    """Look at every picture of every source, up to the number that is taken of each."""
    store = ModelStore(models, sha256_of)
    files = {each.name: store.find("face-manipulation", each) for each in weights.FILES}
    finder = FaceFinder(files[weights.ULTRALIGHT], files[weights.BLAZEFACE], files[weights.ANCHORS], "cpu")
    networks = Networks(files, "cpu")
    for source in SOURCES:
        taken = 0
        for picture in source.pictures(repositories):
            if taken == source.most:
                break
            if picture not in left_out:
                taken += 1
                yield _measured(picture, finder, networks)


def _measured(picture: Labelled, finder: FaceFinder, networks: Networks) -> Measured:
    rows: list[tuple[float, ...]] = []
    try:
        prepared = decode(Media(picture.path, "image/jpeg", picture.path.stat().st_size, str(picture.path)))
        with torch.inference_mode():
            faces = [face for face in finder.find([prepared])[0] if face.is_judged]
            if faces:
                seen = crop(prepared.pixels, faces[0])
                shown = [seen] if picture.manipulated else [seen, _worsened(seen, picture.groups[0])]
                rows = [tuple(answers) for answers in networks.answers(shown).tolist()]
    except NotApplicableError:
        rows = []
    answers, worsened = (*rows, (), ())[:2]
    return Measured(picture.source, picture.manipulated, picture.groups[0], answers, worsened)


def _worsened(seen: Pixels, group: str) -> Pixels:
    """A crop as a small or badly saved copy of the picture has it: the networks take softness for a swap."""
    draw = hashlib.sha256(group.encode()).digest()[1]
    side, quality = _WORSENED[draw % len(_WORSENED)]
    small = Image.fromarray(seen).resize((side, side), Image.Resampling.BILINEAR)
    saved = BytesIO()
    small.save(saved, "JPEG", quality=quality)
    with Image.open(saved) as image:
        return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


class LeftOut:
    """What may not be used: pictures set aside or for evaluation, copies of those, and other frames of their videos."""

    def __init__(self, hashes: Iterable[str], evaluation: Iterable[Path]) -> None:
        """hashes: sha256 of files set aside.  evaluation: files that figures are measured on."""
        paths = [path for path in evaluation if path.is_file()]
        self._hashes = {*hashes, *(sha256_of(path) for path in paths)}
        self._videos = {video for path in paths for video in _VIDEO.findall(path.stem)}
        looks = [_look(path) for path in paths if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
        self._looks = np.array(looks, dtype=np.uint8).reshape(-1, 64)

    def __contains__(self, picture: Labelled) -> bool:
        if sha256_of(picture.path) in self._hashes or not self._videos.isdisjoint(picture.groups):
            return True
        return bool(len(self._looks)) and int((self._looks != _look(picture.path)).sum(1).min()) <= _SAME_PICTURE


def _look(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Where a tiny gray copy gets brighter from left to right: 64 bits that saving and resizing hardly change."""
    with Image.open(path) as image:
        tiny = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    return (tiny[:, 1:] > tiny[:, :-1]).reshape(-1).astype(np.uint8)


def kept(path: Path, measured: Iterable[Measured]) -> list[Measured]:
    """Write the measurements to a file, one a line; read them where it is there already."""
    if not path.is_file():
        lines = [json.dumps(asdict(each)) for each in measured]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Measured(**{**row, **{each: tuple(row[each]) for each in ("answers", "worsened")}}) for row in rows]


def on_first_half(group: str) -> bool:
    """Which half of the data a group belongs to."""
    return hashlib.sha256(group.encode()).digest()[0] % 2 == 0
