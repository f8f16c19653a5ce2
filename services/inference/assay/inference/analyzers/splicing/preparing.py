"""From untrusted bytes to luminance, and the search for copies in it: what is done in the child process."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.splicing.copies.search import Search, confirmed, search
from assay.inference.pictures import ENLARGED_FROM, inside_frame, open_picture, periodicity
from assay.sdk import Media, NotApplicableError

MINIMUM_SIDE = 96

_ENLARGED_SCALE = 0.5
"""Interpolated noise is alike everywhere: a copy must show nearer to the size, too, that the picture once had."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One picture, upright.

    luma    uint8 (H, W), Y of ITU-R BT.601
    search  the parts of it that appear twice
    period  see pictures.periodicity: large where the picture was enlarged
    """

    sha256: str
    luma: NDArray[np.uint8]
    search: Search
    period: float

    @property
    def enlarged(self) -> bool:
        """Whether its noise is interpolation, of which nothing can be said."""
        return self.period >= ENLARGED_FROM


def prepare(media: Media, max_pixels: int) -> Prepared:
    """Decode the picture and look for copies.

    Raises MediaUnreadableError for damaged bytes, NotApplicableError for pictures that are smaller than MINIMUM_SIDE or
    have more than `max_pixels`.
    """
    picture = open_picture(media, max_pixels=max_pixels)
    if min(picture.size) < MINIMUM_SIDE:
        raise NotApplicableError(
            f"The picture is under {MINIMUM_SIDE} pixels wide or high: too small to compare its parts."
        )
    luma = picture.luma()
    cv2.setNumThreads(1)  # the cores are shared out by the number of child processes
    within = inside_frame(luma, MINIMUM_SIDE)
    x, y, width, height = within
    period = periodicity(luma[y : y + height, x : x + width])
    found = search(luma, within)
    if period >= ENLARGED_FROM:
        found = confirmed(search(luma, within, _ENLARGED_SCALE), found)
    return Prepared(media.sha256, luma, found, period)
