"""The heat map: how much each part that was looked at resembles generated pictures."""

import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.synthetic_image.crops import SIDE
from assay.inference.analyzers.synthetic_image.looking import JUDGED, View
from assay.inference.pictures import Marked, draw

_CELL = 32
_SHOWN_FROM = 0.0
_SHOWN_TO = 4.0


def heat_map(view: View, log_odds: NDArray[np.float32]) -> bytes:
    """A PNG. log_odds: of the first crops of the view, or of all. Frames mark the crops that decided."""
    width, height = view.size
    total = np.zeros((-(-height // _CELL), -(-width // _CELL)))
    count = np.zeros_like(total)
    for (left, top), score in zip(view.places[: len(log_odds)], log_odds, strict=True):
        rows = slice(top // _CELL, (top + SIDE) // _CELL)
        columns = slice(left // _CELL, (left + SIDE) // _CELL)
        total[rows, columns] += score
        count[rows, columns] += 1
    mean = total / np.maximum(count, 1)
    heat = np.where(count > 0, np.clip((mean - _SHOWN_FROM) / (_SHOWN_TO - _SHOWN_FROM), 0.0, 1.0), 0.0)
    shown = view.thumbnail
    across, down = shown.shape[1] / width, shown.shape[0] / height
    marks = [
        Marked((round(left * across), round(top * down), round(SIDE * across), round(SIDE * down)))
        for left, top in view.places[:JUDGED]
    ]
    return draw(shown, heat=heat, boxes=marks)
