"""Faces in pictures: one detector proposes, and both have to see the face when it is shown to them alone.

Either detector alone takes a wheel or a pattern for a face now and then; they are of different make, and seldom wrong
about the same place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from assay.inference.analyzers.face_manipulation import blazeface
from assay.inference.analyzers.face_manipulation.boxes import Boxes, Scores, blended, overlaps, sides, strongest
from assay.inference.analyzers.face_manipulation.picture import Prepared
from assay.inference.analyzers.face_manipulation.pyramid import MINIMUM_FACE, WINDOW, Window, square
from assay.inference.analyzers.face_manipulation.ultralight import UltraLight
from assay.sdk.torch import load_weights, to_device

MOST_FACES = 32
"""Of one picture; the rest, those that the detector is less sure of, are left out."""

_PROPOSED = 0.5  # score of a proposal in a window
_SEEN_ULTRALIGHT = 0.6  # scores of the two where the face is shown alone
_SEEN_BLAZEFACE = 0.6
_SURE = 0.99  # both scores of a face that is judged; 92 to 97 in 100 of real faces have them, source by source
_NOTICED = 0.3  # boxes under this score take no part at all
_SAME_FACE = 0.25  # overlap of a proposal and a box of either detector; they draw boxes of different height
_APART = 0.3  # overlap that two faces have at most
_SHOWN = 2.0  # sides of the square in which a face is shown alone, in sides of its box
_CHUNK = 64  # squares that go through BlazeFace together
_PROPOSALS = 48


@dataclass(frozen=True, slots=True)
class Face:
    """A face that both detectors see.

    box         left, top, right, bottom in pixels of the examined picture, as UltraLight draws it: brow to chin
    ultralight  its score, 0..1
    blazeface   the other's
    """

    box: tuple[float, float, float, float]
    ultralight: float
    blazeface: float

    @property
    def side(self) -> float:
        """Side of the square that is as large as the box, in pixels of the examined picture."""
        return float(sides(np.array([self.box]))[0])

    @property
    def is_large(self) -> bool:
        """Whether it has the pixels to be judged."""
        return self.side >= MINIMUM_FACE

    @property
    def is_judged(self) -> bool:
        """Whether it is large, and both detectors are sure: a hydrant must not be called a swapped face."""
        return self.is_large and min(self.ultralight, self.blazeface) >= _SURE


class FaceFinder:
    """Both detectors. Proposals and boxes come from the CPU on every device, so that crops are the same."""

    def __init__(self, ultralight: Path, blazeface_weights: Path, anchors: Path, device: str) -> None:
        """Raises OSError where a file is not what it should be."""
        self._device = device
        self._ultralight = UltraLight(ultralight, torch.get_num_threads())
        self._blazeface = blazeface.BlazeFace()
        self._blazeface.load_state_dict(load_weights(blazeface_weights, "cpu"))
        self._blazeface.load_anchors(anchors)
        self._blazeface.to(device).eval()

    def find(self, pictures: Sequence[Prepared]) -> list[list[Face]]:
        """The faces of each picture, largest first."""
        proposals = [self._proposals(picture) for picture in pictures]
        shown = [
            [_alone(picture, box, blazeface.SIDE) for box in boxes]
            for picture, boxes in zip(pictures, proposals, strict=True)
        ]
        seen = iter(self._blazed([window for windows in shown for window in windows]))
        found = []
        for picture, boxes in zip(pictures, proposals, strict=True):
            faces = [self._confirmed(picture, box, next(seen)) for box in boxes]
            found.append(_distinct([face for face in faces if face is not None]))
        return found

    def _proposals(self, picture: Prepared) -> Boxes:
        """What UltraLight takes for faces in any window, (N, 4) in the picture, surest first."""
        boxes: list[Boxes] = [np.zeros((0, 4))]
        scores: list[Scores] = [np.zeros(0)]
        for (found, sure), (left, top, scale) in zip(
            self._ultralight(list(picture.windows), _PROPOSED), picture.places, strict=True
        ):
            boxes.append(_placed(found, left, top, scale))
            scores.append(sure)
        together = np.concatenate(boxes)
        return together[strongest(together, np.concatenate(scores), _APART, _PROPOSALS)]

    def _confirmed(self, picture: Prepared, proposal: NDArray[np.float64], other: tuple[Boxes, Scores]) -> Face | None:
        window = _alone(picture, proposal, WINDOW[1])
        margin = (WINDOW[0] - WINDOW[1]) // 2
        wide = np.pad(window.pixels, ((0, 0), (margin, margin), (0, 0)), "constant", constant_values=127)
        boxes, scores = self._ultralight([wide], _NOTICED)[0]
        boxes = _placed(boxes - np.array([margin, 0, margin, 0]), window.left, window.top, window.scale)
        own, theirs = _best(proposal, boxes, scores), _best(proposal, *other)
        if own is None or theirs is None or scores[own] < _SEEN_ULTRALIGHT or other[1][theirs] < _SEEN_BLAZEFACE:
            return None
        left, top, right, bottom = (float(edge) for edge in boxes[own])
        return Face((left, top, right, bottom), float(scores[own]), float(other[1][theirs]))

    def _blazed(self, windows: Sequence[Window]) -> list[tuple[Boxes, Scores]]:
        """What BlazeFace sees in each square, in the picture."""
        results = []
        for start in range(0, len(windows), _CHUNK):
            chunk = windows[start : start + _CHUNK]
            pixels = torch.from_numpy(np.stack([window.pixels for window in chunk])).permute(0, 3, 1, 2)
            (squares,) = to_device([pixels], self._device)
            boxes, scores = (values.double().cpu().numpy() for values in self._blazeface(squares.float()))
            for window, found, sure in zip(chunk, boxes, scores, strict=True):
                noticed = sure >= _NOTICED
                merged, best = blended(found[noticed] * blazeface.SIDE, sure[noticed], _APART)
                results.append((_placed(merged, window.left, window.top, window.scale), best))
        return results


def _alone(picture: Prepared, box: NDArray[np.float64], seen: int) -> Window:
    """The square around a proposal, as a detector of `seen` pixels is to see it."""
    centre = (float(box[0] + box[2]) / 2.0, float(box[1] + box[3]) / 2.0)
    side = float(max(box[2] - box[0], box[3] - box[1]))
    return square(picture.pixels, centre, _SHOWN * side, seen, gray=True)


def _placed(boxes: Boxes, left: float, top: float, scale: float) -> Boxes:
    """From pixels of a window to those of the picture."""
    placed: Boxes = boxes / scale + np.array([left, top, left, top])
    return placed


def _best(proposal: NDArray[np.float64], boxes: Boxes, scores: Scores) -> int | None:
    """The surest box that lies where the proposal does."""
    near = np.flatnonzero(overlaps(proposal[None], boxes)[0] >= _SAME_FACE)
    return int(near[scores[near].argmax()]) if len(near) else None


def _distinct(faces: Sequence[Face]) -> list[Face]:
    """Each face once, the largest first: two proposals may lead to one."""
    boxes = np.array([face.box for face in faces]).reshape(-1, 4)
    sure = np.array([face.ultralight + face.blazeface for face in faces])
    kept = [faces[index] for index in strongest(boxes, sure, _APART, MOST_FACES)]
    return sorted(kept, key=lambda face: (-face.side, face.box))
