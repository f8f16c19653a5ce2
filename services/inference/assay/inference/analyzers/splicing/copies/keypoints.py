"""Places that look alike after any turn and at any size: keypoints, matched with one another.

Source: I. Amerini, L. Ballan, R. Caldelli, A. Del Bimbo, G. Serra, A SIFT-based forensic method for copy-move attack
detection and transformation recovery, IEEE TIFS 6(3), 2011 (matching by the ratio of successive distances); D. Lowe,
Distinctive image features from scale-invariant keypoints, IJCV 60, 2004.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.splicing.copies import similarity

MOST_KEYPOINTS = 2500
LEAST_SUPPORT = 4  # matches that must agree on a transform
MOST_HYPOTHESES = 5

_CONTRAST = 0.012  # below SIFT's usual 0.04: copies often lie in weak texture
_RATIO = 0.75
_NEIGHBOURS = 3
_LEAST_DISTANCE = 20.0  # pixels between the two places of a match
_TOLERANCE = 3.0  # pixels
_LARGEST_SCALE = 3.0
_MOST_TRIALS = 12
_SAME_PLACE = 3.0  # pixels


@dataclass(frozen=True, slots=True, eq=False)
class Hypothesis:
    """A transform on which matches agree. source, target: the places (N, 2) that it joins."""

    matrix: similarity.Matrix
    source: similarity.Points
    target: similarity.Points


def hypotheses(luma: NDArray[np.uint8]) -> list[Hypothesis]:
    """Transforms that several matches agree on, the best supported first, at most MOST_HYPOTHESES.

    luma: uint8 (H, W). Deterministic: nothing is drawn by chance, every match proposes its own transform.
    """
    points, descriptors = _keypoints(luma)
    if len(points) < 2 * LEAST_SUPPORT:
        return []
    first, second = _matches(points, descriptors)
    return _agreements(points[first], points[second])


def _keypoints(luma: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Keypoints (N, 4): x, y, size, angle in radians; and their descriptors (N, 128) of length 1."""
    found, raw = cv2.SIFT.create(nfeatures=MOST_KEYPOINTS, contrastThreshold=_CONTRAST).detectAndCompute(luma, None)
    if raw is None:
        return np.empty((0, 4)), np.empty((0, 128), dtype=np.float32)
    points = np.array([(*point.pt, point.size, np.deg2rad(point.angle)) for point in found], dtype=np.float64)
    points, raw = points[:MOST_KEYPOINTS], raw[:MOST_KEYPOINTS]
    order = np.lexsort((points[:, 3], points[:, 2], points[:, 0], points[:, 1]))
    rooted = np.sqrt(raw[order] / np.maximum(raw[order].sum(1, keepdims=True), 1e-6))
    return points[order], rooted.astype(np.float32)


def _matches(
    points: NDArray[np.float64], descriptors: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of indices. A neighbour counts if it is much nearer than the next one, and so do all before it."""
    likeness = descriptors @ descriptors.T
    places = points[:, :2].astype(np.float32)
    squares = (places**2).sum(1)
    apart = squares[:, None] + squares[None, :] - 2.0 * (places @ places.T)
    likeness[apart < _LEAST_DISTANCE**2] = -1.0
    rows = np.arange(len(points))
    nearest = np.empty((len(points), _NEIGHBOURS + 1), dtype=np.int64)
    values = np.empty(nearest.shape, dtype=np.float32)
    for place in range(_NEIGHBOURS + 1):
        nearest[:, place] = likeness.argmax(1)
        values[:, place] = likeness[rows, nearest[:, place]]
        likeness[rows, nearest[:, place]] = -1.0
    distances = np.sqrt(np.maximum(2.0 - 2.0 * values, 1e-12))
    good = distances[:, :-1] < _RATIO * distances[:, 1:]
    # The last good ratio decides: everything up to it is near, everything after it is far.
    reach = np.where(good.any(1), good.shape[1] - good[:, ::-1].argmax(1), 0)
    taken = np.arange(good.shape[1])[None, :] < reach[:, None]
    first, column = np.nonzero(taken)
    return first.astype(np.int64), nearest[first, column]


def _agreements(source: NDArray[np.float64], target: NDArray[np.float64]) -> list[Hypothesis]:
    # Both directions of a pair say the same; keep the one from left to right (then down).
    swap = (target[:, 0] < source[:, 0]) | ((target[:, 0] == source[:, 0]) & (target[:, 1] < source[:, 1]))
    source, target = np.where(swap[:, None], target, source), np.where(swap[:, None], source, target)
    ratio = target[:, 2] / source[:, 2]
    kept = (ratio < _LARGEST_SCALE) & (ratio > 1.0 / _LARGEST_SCALE)
    # Several keypoints of one place are one voice.
    cells = np.concatenate([source[kept, :2], target[kept, :2]], 1) // _SAME_PLACE
    _, single = np.unique(cells, axis=0, return_index=True)
    source, target = source[kept][single], target[kept][single]
    found: list[Hypothesis] = []
    for _ in range(_MOST_TRIALS):
        if len(source) < LEAST_SUPPORT or len(found) == MOST_HYPOTHESES:
            break
        support = _support(similarity.of_keypoints(source, target), source, target)
        first = int(support.sum(1).argmax())
        hypothesis, explained = _settled(source, target, support[first])
        found += [] if hypothesis is None else [hypothesis]
        explained[first] = True
        source, target = source[~explained], target[~explained]
    return found


def _settled(
    source: NDArray[np.float64], target: NDArray[np.float64], inside: NDArray[np.bool_]
) -> tuple[Hypothesis | None, NDArray[np.bool_]]:
    """Fit a transform to matches that agree roughly, then to those that agree with it, ever more closely.

    Returns it with the matches that it explains; None and no matches where too few are left.
    """
    for closeness in (4.0, 2.0, 1.0, 1.0):
        if not _spread(source[inside, :2]):
            return None, np.zeros(len(source), dtype=np.bool_)
        matrix = similarity.fitted(source[inside, :2], target[inside, :2])
        inside = _errors(matrix, source, target) < closeness * _TOLERANCE
    if not _spread(source[inside, :2]):
        return None, np.zeros(len(source), dtype=np.bool_)
    return Hypothesis(matrix, source[inside, :2], target[inside, :2]), inside


def _support(own: NDArray[np.float64], source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(M, M): whether match j agrees with the transform of match i. A single pair knows turn and scale roughly."""
    x, y = source[:, 0], source[:, 1]
    moved_x = own[:, 0, 0, None] * x + own[:, 0, 1, None] * y + own[:, 0, 2, None]
    moved_y = own[:, 1, 0, None] * x + own[:, 1, 1, None] * y + own[:, 1, 2, None]
    error = np.hypot(moved_x - target[:, 0], moved_y - target[:, 1])
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    near: NDArray[np.bool_] = error < _TOLERANCE + 0.07 * distance
    return near & (distance < 400.0)


def _errors(matrix: similarity.Matrix, source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    moved = similarity.applied(matrix, source[:, :2]) - target[:, :2]
    return np.hypot(moved[:, 0], moved[:, 1])


def _spread(places: NDArray[np.float64]) -> bool:
    """Enough different places, not all on one spot."""
    different = np.unique(places.round(), axis=0)
    return len(different) >= LEAST_SUPPORT and float(np.ptp(different, axis=0).max()) >= 12.0
