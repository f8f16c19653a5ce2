"""Rectangles as rows of left, top, right, bottom in pixels, and how they overlap."""

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
"""(N, 4): left, top, right, bottom."""

Scores = NDArray[np.float64]
"""(N,), 0..1."""


def overlaps(some: Boxes, others: Boxes) -> NDArray[np.float64]:
    """The part that two boxes share of all that they cover: (N, 4) and (M, 4) to (N, M), 0..1."""
    corner = np.maximum(some[:, None, :2], others[None, :, :2])
    end = np.minimum(some[:, None, 2:], others[None, :, 2:])
    shared: NDArray[np.float64] = np.clip(end - corner, 0.0, None).prod(2)
    together = areas(some)[:, None] + areas(others)[None, :] - shared
    parts: NDArray[np.float64] = np.divide(shared, together, out=np.zeros_like(shared), where=together > 0.0)
    return parts


def areas(boxes: Boxes) -> NDArray[np.float64]:
    """Square pixels of each box."""
    sides: NDArray[np.float64] = np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None).prod(1)
    return sides


def sides(boxes: Boxes) -> NDArray[np.float64]:
    """The side of the square that is as large as each box."""
    roots: NDArray[np.float64] = np.sqrt(areas(boxes))
    return roots


def strongest(boxes: Boxes, scores: Scores, overlap: float, most: int) -> NDArray[np.intp]:
    """Non-maximum suppression: the boxes of highest score, of which none overlaps a stronger one by more.

    overlap: of `overlaps`, 0..1. Returns at most `most` indices, strongest first; of equal scores the first.
    """
    kept: list[int] = []
    left = np.argsort(-scores, kind="stable")
    while len(left) and len(kept) < most:
        best, left = left[0], left[1:]
        kept.append(int(best))
        left = left[overlaps(boxes[best : best + 1], boxes[left])[0] <= overlap]
    return np.array(kept, dtype=np.intp)


def blended(boxes: Boxes, scores: Scores, overlap: float) -> tuple[Boxes, Scores]:
    """Suppression as BlazeFace's paper does it: a box is the mean of those over it, by their scores.

    Returns boxes and the highest score of each, strongest first.
    """
    kept = strongest(boxes, scores, overlap, len(boxes))
    near = overlaps(boxes[kept], boxes) > overlap
    near[np.arange(len(kept)), kept] = True
    weights = near * scores[None, :]
    return weights @ boxes / weights.sum(1, keepdims=True), scores[kept]
