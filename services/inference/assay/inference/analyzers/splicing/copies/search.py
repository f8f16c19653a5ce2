"""Search a picture for parts that appear twice."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.splicing.copies import similarity
from assay.inference.analyzers.splicing.copies.keypoints import hypotheses
from assay.inference.analyzers.splicing.copies.shifts import shifts
from assay.inference.analyzers.splicing.copies.verification import Copy, Searched, refined, under_shift, under_transform
from assay.inference.analyzers.splicing.copies.weighing import likelihood
from assay.inference.pictures import Box

SEARCHED_PIXELS = 2_500_000
KEYPOINT_PIXELS = 800_000
MOST_COPIES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """The parts found, in pixels of a picture made smaller by `scale` (at most 1), the likeliest copies first."""

    scale: float
    copies: tuple[Copy, ...]


def search(luma: NDArray[np.uint8], within: Box | None = None, scale: float = 1.0) -> Search:
    """Look for copies by keypoints (any turn and size) and by the noise's autocorrelation (smooth parts too).

    luma: uint8 (H, W), of any size: larger ones are searched at SEARCHED_PIXELS.
    within: the part that is searched; all of it, if it is not given.  scale: it is made so much smaller, or more.
    """
    x, y, width, height = within or (0, 0, luma.shape[1], luma.shape[0])
    scale, searched_luma = _at_most(luma[y : y + height, x : x + width], SEARCHED_PIXELS, scale)
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
    if within is not None:
        found = [_placed(copy, round(x * scale), round(y * scale), luma.shape, scale) for copy in found]
    return Search(scale, tuple(found))


def confirmed(one: Search, other: Search) -> Search:
    """Those copies of one search that another, of the same picture at another scale, takes for copies as well."""
    likely = [copy for copy in other.copies if likelihood(copy) > 0.0]
    return replace(one, copies=tuple(copy for copy in one.copies if any(_same(copy, each) for each in likely)))


def _same(copy: Copy, other: Copy) -> bool:
    height, width = copy.target.shape
    both = cv2.resize((other.source | other.target).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return _covers(both > 0, copy.source) and _covers(both > 0, copy.target)


def _placed(copy: Copy, x: int, y: int, shape: tuple[int, ...], scale: float) -> Copy:
    """With masks of the whole picture, of which a part from (x, y) on was searched."""
    height, width = max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
    masks = []
    for mask in (copy.source, copy.target):
        whole = np.zeros((height, width), np.bool_)
        there = whole[y : y + mask.shape[0], x : x + mask.shape[1]]
        there[:] = mask[: there.shape[0], : there.shape[1]]
        masks.append(whole)
    return replace(copy, source=masks[0], target=masks[1])


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


def _at_most(luma: NDArray[np.uint8], pixels: int, scale: float = 1.0) -> tuple[float, NDArray[np.uint8]]:
    height, width = luma.shape
    scale = min(scale, (pixels / (height * width)) ** 0.5)
    if scale >= 1.0:
        return 1.0, np.ascontiguousarray(luma)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return size[0] / width, np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA))


def _covers(old: NDArray[np.bool_], new: NDArray[np.bool_]) -> bool:
    return bool((old & new).sum() > 0.5 * new.sum())
