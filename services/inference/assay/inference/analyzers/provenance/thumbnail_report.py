"""The thumbnail in Exif beside the picture, for people to look at."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.inference.analyzers.provenance.consistency import Comparison, Outcome
from assay.inference.pictures import Marked, as_png, draw

_SIDE = 480
_GAP = 12


def drawn(comparison: Comparison) -> bytes:
    """A PNG: the thumbnail on the left, the stored picture on the right, and a frame where they differ or match."""
    box = comparison.box
    left = _marked(comparison.thumbnail, box if comparison.outcome is Outcome.CROPPED else None, "the picture")
    right = _marked(comparison.picture, box if comparison.outcome is Outcome.PART else None, "differs")
    sheet = Image.new("RGB", (left.width + _GAP + right.width, max(left.height, right.height)), "white")
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width + _GAP, 0))
    return as_png(sheet)


def _marked(gray: NDArray[np.uint8], box: tuple[float, float, float, float] | None, text: str) -> Image.Image:
    scale = _SIDE / max(gray.shape)
    size = max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale))
    pixels = np.asarray(Image.fromarray(gray).resize(size, Image.Resampling.BILINEAR))
    boxes = []
    if box is not None:
        x, y, wide, tall = box
        place = round(x * size[0]), round(y * size[1]), max(1, round(wide * size[0])), max(1, round(tall * size[1]))
        boxes = [Marked(place, text)]
    return Image.open(io.BytesIO(draw(pixels, boxes=boxes, longest=_SIDE))).convert("RGB")
