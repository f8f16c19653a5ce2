"""Similarity transforms: turn, scale and shift, as 2 by 3 matrices."""

import math

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Matrix = NDArray[np.float64]


def of_keypoints(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The transform that each pair of keypoints alone speaks for.

    source, target: (N, 4): x, y, size in pixels, angle in radians. Returns (N, 2, 3).
    """
    scale = target[:, 2] / source[:, 2]
    turn = target[:, 3] - source[:, 3]
    a, b = scale * np.cos(turn), scale * np.sin(turn)
    x = target[:, 0] - (a * source[:, 0] - b * source[:, 1])
    y = target[:, 1] - (b * source[:, 0] + a * source[:, 1])
    return np.stack([np.stack([a, -b, x], 1), np.stack([b, a, y], 1)], 1)


def fitted(source: Points, target: Points) -> Matrix:
    """The similarity that brings `source` (N, 2) nearest to `target` (N, 2), least squares; N at least 2."""
    from_centre, to_centre = source.mean(0), target.mean(0)
    moved, goal = source - from_centre, target - to_centre
    size = float((moved**2).sum())
    a = float((moved * goal).sum()) / size
    b = float((moved[:, 0] * goal[:, 1] - moved[:, 1] * goal[:, 0]).sum()) / size
    turn = np.array([[a, -b], [b, a]])
    return np.column_stack([turn, to_centre - turn @ from_centre])


def applied(matrix: Matrix, points: Points) -> Points:
    """Where points (N, 2) go."""
    moved: Points = points @ matrix[:, :2].T + matrix[:, 2]
    return moved


def inverse(matrix: Matrix) -> Matrix:
    """The way back."""
    back = np.linalg.inv(matrix[:, :2])
    return np.column_stack([back, -back @ matrix[:, 2]])


def between_scales(matrix: Matrix, factor: float) -> Matrix:
    """The same transform in a picture that is `factor` times as large."""
    scaled = matrix.copy()
    scaled[:, 2] *= factor
    return scaled


def turn_of(matrix: Matrix) -> float:
    """Degrees, -180..180; positive is clockwise as people see it (y points down)."""
    return math.degrees(math.atan2(matrix[1, 0], matrix[0, 0]))


def scale_of(matrix: Matrix) -> float:
    """How many times as large."""
    return float(math.sqrt(abs(np.linalg.det(matrix[:, :2]))))
