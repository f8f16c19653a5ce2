"""Search a picture for parts that appear twice."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.splicing.copies import similarity
from assay.inference.analyzers.splicing.copies.keypoints import hypotheses
from assay.inference.analyzers.splicing.copies.shifts import shifts
from assay.inference.analyzers.splicing.copies.verification import Copy, Searched, refined, under_shift, under_transform
from assay.inference.analyzers.splicing.copies.weighing import likelihood

SEARCHED_PIXELS = 2_500_000
KEYPOINT_PIXELS = 800_000
MOST_COPIES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """The parts found, in pixels of a picture made smaller by `scale` (at most 1), the likeliest copies first."""

    scale: float
    copies: tuple[Copy, ...]


def search(luma: NDArray[np.uint8]) -> Search:
    """Look for copies by keypoints (any turn and size) and by the noise's autocorrelation (smooth parts too).

    luma: uint8 (H, W), of any size: larger ones are searched at SEARCHED_PIXELS.
    """
    scale, searched_luma = _at_most(luma, SEARCHED_PIXELS)
    searched = Searched.of(searched_luma)
    smaller, small = _at_most(searched_luma, KEYPOINT_PIXELS)
    found: list[Copy] = []
    for shift in shifts(searched.even):
        found = _strongest(found + under_shift(searched, shift.x, shift.y))
    for hypothesis in hypotheses(small):
        target = hypothesis.target / smaller
        matrix = similarity.between_scales(hypothesis.matrix, 1.0 / smaller)
        exact = refined(searched, matrix, target)
        if exact is not None:
            found = _strongest(found + under_transform(searched, exact, target))
    return Search(scale, tuple(found))


def _strongest(found: list[Copy]) -> list[Copy]:
    """The likeliest, without those that lie on a likelier one, either way round."""
    kept: list[Copy] = []
    for copy in sorted(found, key=lambda each: -likelihood(each)):
        known = [old.target | old.source for old in kept]
        if not any(_covers(old, copy.target) and _covers(old, copy.source) for old in known):
            kept.append(copy)
        if len(kept) == MOST_COPIES:
            break
    return kept


def _at_most(luma: NDArray[np.uint8], pixels: int) -> tuple[float, NDArray[np.uint8]]:
    height, width = luma.shape
    if height * width <= pixels:
        return 1.0, luma
    scale = (pixels / (height * width)) ** 0.5
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return size[0] / width, np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA))


def _covers(old: NDArray[np.bool_], new: NDArray[np.bool_]) -> bool:
    return bool((old & new).sum() > 0.5 * new.sum())
