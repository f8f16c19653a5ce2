"""What a person may look at: where the noise is odd, what is marked, and which parts are copies of which."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from assay.inference.analyzers.splicing.conclusion import SHOWN, copy_boxes
from assay.inference.analyzers.splicing.copies.verification import Copy
from assay.inference.analyzers.splicing.preparing import Prepared
from assay.inference.analyzers.splicing.regions import foreign_box, mask_of, resized
from assay.inference.analyzers.splicing.residual.examination import Examination
from assay.inference.analyzers.splicing.weighing import Assessment
from assay.inference.pictures import LONGEST_SIDE, Box, Marked, as_png, draw, shrunk
from assay.sdk import Rendering

MASK_SIDE = 2048

_ONE, _OTHER, _LINE = (60, 140, 255), (255, 90, 60), (255, 230, 0)
_COVERAGE = 0.45


def drawings(prepared: Prepared, examination: Examination, assessment: Assessment) -> Iterator[Rendering]:
    """The heat map always; the mask where anything speaks for editing; the pairs where there are copies."""
    height, width = prepared.luma.shape
    rows, columns = examination.heat.shape
    side = examination.side
    marks = [Marked(foreign_box(prepared, examination), "other noise")] if assessment.foreign > 0.0 else []
    yield Rendering(
        "heatmap.png",
        "image/png",
        draw(
            prepared.luma,
            heat=_above_half(examination.heat),
            heat_box=(0, 0, min(width, columns * side), min(height, rows * side)),
            boxes=marks,
        ),
        "The picture in gray; the brighter the colour, the more a part's noise differs from the rest.",
    )
    if assessment.copies:
        yield Rendering(
            "copies.png",
            "image/png",
            _pairs(prepared, [copy for _, copy in assessment.copies[:SHOWN]]),
            "The same part twice: a line joins the two places, one in blue and one in red.",
        )
    if assessment.found:
        mask = mask_of(prepared, examination, assessment, MASK_SIDE)
        yield Rendering(
            "mask.png",
            "image/png",
            as_png(mask.astype(np.uint8) * 255),
            "White: what is the same in two places, or has other noise than the rest.",
        )


def _above_half(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colour begins where a part is more likely odd than not."""
    above: NDArray[np.float32] = np.clip(2.0 * heat - 1.0, 0.0, 1.0).astype(np.float32)
    return above


def _pairs(prepared: Prepared, copies: list[Copy]) -> bytes:
    gray = shrunk(prepared.luma, LONGEST_SIDE)
    size = gray.shape[1], gray.shape[0]
    picture = np.repeat(gray[..., None], 3, axis=2).astype(np.float32)
    for copy in copies:
        for mask, colour in ((copy.source, _ONE), (copy.target, _OTHER)):
            there = resized(mask, size)
            picture[there] = (1.0 - _COVERAGE) * picture[there] + _COVERAGE * np.array(colour, np.float32)
    image = Image.fromarray(np.rint(picture).astype(np.uint8))
    canvas = ImageDraw.Draw(image)
    scale = size[0] / prepared.luma.shape[1]
    for copy in copies:
        for mask, colour in ((copy.source, _ONE), (copy.target, _OTHER)):
            outline, _ = cv2.findContours(
                resized(mask, size).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
            )
            for line in outline:
                points = [(int(x), int(y)) for x, y in line[:, 0]]
                canvas.line([*points, points[0]], fill=colour, width=2)
        one, other = copy_boxes(prepared, copy)
        canvas.line([_middle(one, scale), _middle(other, scale)], fill=_LINE, width=2)
        for box, colour in ((one, _ONE), (other, _OTHER)):
            x, y = _middle(box, scale)
            canvas.ellipse((x - 5, y - 5, x + 5, y + 5), fill=colour, outline=_LINE, width=2)
    return as_png(image)


def _middle(box: Box, scale: float) -> tuple[float, float]:
    x, y, wide, tall = box
    return (x + wide / 2) * scale, (y + tall / 2) * scale
