"""What crosses from the process that decodes to the one that judges: a picture of bounded size and its windows."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.face_manipulation.pyramid import MINIMUM_FACE, WINDOW, Pixels, windows
from assay.inference.pictures import open_picture
from assay.sdk import Media, NotApplicableError

MOST_PIXELS = 16_800_000
"""Larger pictures are examined at this size: a face of MINIMUM_FACE pixels there has more in the file."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One decoded picture, upright.

    pixels   uint8 (H, W, 3), at most MOST_PIXELS
    scale    pixels here for one pixel of the upright picture as it is in the file, at most 1
    windows  uint8 (N, 240, 320, 3): the picture at several sizes, cut up
    places   float64 (N, 3): left, top and scale of each window, as `pyramid.Window` has them
    """

    sha256: str
    pixels: Pixels
    scale: float
    windows: NDArray[np.uint8]
    places: NDArray[np.float64]


def decode(media: Media) -> Prepared:
    """Decode the first frame and cut it into windows.

    Raises what `open_picture` raises, and NotApplicableError for pictures that cannot hold a face of the least size.
    """
    picture = open_picture(media)
    width, height = picture.size
    if min(width, height) < MINIMUM_FACE:
        raise NotApplicableError(f"The picture is under {MINIMUM_FACE} pixels wide or high: too small for a face.")
    share = min(1.0, math.sqrt(MOST_PIXELS / (width * height)))
    pixels = picture.reduced(int(max(width, height) * share)) if share < 1.0 else picture.rgb()
    cut = list(windows(pixels, WINDOW))
    return Prepared(
        sha256=media.sha256,
        pixels=pixels,
        scale=max(pixels.shape[:2]) / max(width, height),
        windows=np.stack([window.pixels for window in cut]),
        places=np.array([(window.left, window.top, window.scale) for window in cut]),
    )
