"""Pictures to their judged faces, on one device."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from assay.inference.analyzers.face_manipulation import mesonet
from assay.inference.analyzers.face_manipulation import weights as files
from assay.inference.analyzers.face_manipulation.detection import Face, FaceFinder
from assay.inference.analyzers.face_manipulation.fusion import fused
from assay.inference.analyzers.face_manipulation.networks import Networks, crop
from assay.inference.analyzers.face_manipulation.picture import Prepared
from assay.inference.analyzers.face_manipulation.pyramid import WINDOW, Pixels
from assay.sdk import DeviceMemoryError

_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class JudgedFace:
    """A face and what was said of it: nothing where it is too small or unclear.

    answers  of the networks, in the order of `networks.NAMES`; empty for a face that is not judged
    score    probability that it is manipulated, None for a face that is not judged
    """

    face: Face
    answers: tuple[float, ...]
    score: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Examination:
    """A picture's faces, those with the highest score first, those not judged last.

    crop  what the networks saw of the first face, uint8 (256, 256, 3); None where no face was judged
    mask  float32 (256, 256): where ClassNSeg sees manipulation in it
    """

    faces: tuple[JudgedFace, ...]
    crop: Pixels | None
    mask: NDArray[np.float32] | None

    @property
    def judged(self) -> tuple[JudgedFace, ...]:
        """The faces that have a score, strongest first."""
        return tuple(each for each in self.faces if each.score is not None)


class Judge:
    """Examines batches, and remembers the last pictures: their drawings come later, and a batch may be tried again."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        """Raises OSError where a file of weights is not what it should be."""
        self._finder = FaceFinder(weights[files.ULTRALIGHT], weights[files.BLAZEFACE], weights[files.ANCHORS], device)
        self._networks = Networks(weights, device)
        self._recent: OrderedDict[str, Examination] = OrderedDict()

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Let the device do once what it will do for the first file."""
        gray = np.full((WINDOW[1], WINDOW[0], 3), 127, np.uint8)
        blank = Prepared(sha256="", pixels=gray, scale=1.0, windows=gray[None], places=np.array([[0.0, 0.0, 1.0]]))
        self._finder.find([blank])
        crops = [np.full((mesonet.SIDE, mesonet.SIDE, 3), 127, np.uint8)]
        self._networks.answers(crops)
        self._networks.masks(crops)

    def examine(self, batch: Sequence[Prepared]) -> list[Examination]:
        """One examination for each picture, in order. Raises DeviceMemoryError."""
        known = {picture.sha256: self._recent.get(picture.sha256) for picture in batch}
        new = [picture for picture in {each.sha256: each for each in batch}.values() if known[picture.sha256] is None]
        try:
            known |= dict(zip((each.sha256 for each in new), self._examined(new), strict=True))
        except torch.OutOfMemoryError as error:
            raise DeviceMemoryError("The device has no memory left for this batch.") from error
        examinations = [known[picture.sha256] for picture in batch]
        for picture, examination in zip(batch, examinations, strict=True):
            assert examination is not None
            self._recent[picture.sha256] = examination
            self._recent.move_to_end(picture.sha256)
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        return [examination for examination in examinations if examination is not None]

    @torch.inference_mode()
    def _examined(self, pictures: Sequence[Prepared]) -> list[Examination]:
        """Find all faces, judge those of all pictures together, and mask the strongest of each."""
        found = self._finder.find(pictures)
        crops = [
            [crop(picture.pixels, face) for face in faces if face.is_judged]
            for picture, faces in zip(pictures, found, strict=True)
        ]
        answers = iter(self._networks.answers([each for some in crops for each in some]))
        judged = [
            [_judged(face, next(answers)) if face.is_judged else JudgedFace(face, (), None) for face in faces]
            for faces in found
        ]
        strongest = [some[_strongest(faces)] if some else None for some, faces in zip(crops, judged, strict=True)]
        masks = iter(self._networks.masks([each for each in strongest if each is not None]))
        return [
            Examination(
                faces=tuple(sorted(faces, key=lambda each: (each.score is None, -(each.score or 0.0)))),
                crop=seen,
                mask=None if seen is None else next(masks),
            )
            for faces, seen in zip(judged, strongest, strict=True)
        ]


def _judged(face: Face, answers: NDArray[np.float64]) -> JudgedFace:
    return JudgedFace(face, tuple(float(each) for each in answers), fused(answers))


def _strongest(faces: Sequence[JudgedFace]) -> int:
    """Where the face with the highest score stands among those with one, which come in the order of their crops."""
    scores = [each.score for each in faces if each.score is not None]
    return max(range(len(scores)), key=scores.__getitem__)
