"""Where in the picture things are: boxes and masks in pixels of the picture itself."""

import cv2
import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.splicing.preparing import Prepared
from assay.inference.analyzers.splicing.residual.examination import Examination
from assay.inference.analyzers.splicing.weighing import Assessment
from assay.inference.pictures import Box

Mask = NDArray[np.bool_]


def box_of(mask: Mask, scale: float, size: tuple[int, int]) -> Box:
    """The smallest rectangle around a mask (one at least) whose pixels are 1 / scale of the picture's.

    size: (width, height) of the picture.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    left, top = int(columns[0] / scale), int(rows[0] / scale)
    right, bottom = min(size[0], round((columns[-1] + 1) / scale)), min(size[1], round((rows[-1] + 1) / scale))
    return left, top, right - left, bottom - top


def size_of(prepared: Prepared) -> tuple[int, int]:
    """(width, height)."""
    height, width = prepared.luma.shape
    return width, height


def foreign_box(prepared: Prepared, examination: Examination) -> Box:
    """Around the part whose noise is unlike the rest."""
    return box_of(examination.mask, 1.0 / examination.side, size_of(prepared))


def mask_of(prepared: Prepared, examination: Examination, assessment: Assessment, longest: int) -> Mask:
    """All that the verdict rests on, at most `longest` pixels long: both parts of each copy, and the foreign part."""
    width, height = size_of(prepared)
    scale = min(1.0, longest / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    marked = np.zeros((size[1], size[0]), dtype=np.bool_)
    for _, copy in assessment.copies:
        marked |= resized(copy.source | copy.target, size)
    if assessment.foreign > 0.0:
        marked |= foreign_mask(examination, prepared, size)
    return marked


def foreign_mask(examination: Examination, prepared: Prepared, size: tuple[int, int]) -> Mask:
    """The part whose noise is unlike the rest, in a picture made smaller to `size` (width, height)."""
    width, height = size_of(prepared)
    rows, columns = examination.mask.shape
    # Cells cover whole multiples of their side only.
    covered = round(columns * examination.side * size[0] / width), round(rows * examination.side * size[1] / height)
    mask = np.zeros((size[1], size[0]), dtype=np.bool_)
    mask[: covered[1], : covered[0]] = resized(examination.mask, covered)[: size[1], : size[0]]
    return mask


def resized(mask: Mask, size: tuple[int, int]) -> Mask:
    """A mask of another (width, height)."""
    return np.asarray(cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)) > 0
