"""What a person may look at: the faces in their boxes, and what ClassNSeg marks in the most suspect one."""

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.inference.analyzers.face_manipulation.judging import Examination, JudgedFace
from assay.inference.analyzers.face_manipulation.picture import Prepared
from assay.inference.analyzers.face_manipulation.pyramid import Pixels
from assay.inference.pictures import Box, Marked, as_png, draw
from assay.sdk import Rendering

_GAP = 8  # pixels between the two pictures of a mask


def renderings(picture: Prepared, examination: Examination) -> Iterator[Rendering]:
    """The picture with its faces, and the mask of the first."""
    yield Rendering(
        name="faces.png",
        media_type="image/png",
        data=draw(picture.pixels, boxes=[Marked(_box(each), _words(each)) for each in examination.faces]),
        title="The faces found, each with the probability that it was swapped or re-enacted; 0.50 says nothing.",
    )
    if examination.crop is not None and examination.mask is not None:
        yield Rendering(
            name="mask.png",
            media_type="image/png",
            data=_beside(examination.crop, examination.mask),
            title="Left: the most suspect face as the networks see it. Right: where one of them sees manipulation; "
            "the mask's quality was not measured. Nothing is marked where that network takes the face for a real one.",
        )


def _beside(crop: Pixels, mask: NDArray[np.float32]) -> bytes:
    """The crop as it is, and gray under the mask's colours."""
    side = crop.shape[0]
    pair = np.full((side, 2 * side + _GAP, 3), 255, np.uint8)
    pair[:, :side] = crop
    with Image.open(BytesIO(draw(crop, heat=mask))) as heated:
        pair[:, side + _GAP :] = np.asarray(heated)
    return as_png(pair)


def _box(judged: JudgedFace) -> Box:
    """In pixels of the examined picture."""
    left, top, right, bottom = (round(edge) for edge in judged.face.box)
    return left, top, max(right - left, 1), max(bottom - top, 1)


def _words(judged: JudgedFace) -> str:
    if judged.score is not None:
        return f"{judged.score:.2f}"
    return "unclear" if judged.face.is_large else "too small"
