"""What a quantisation table tells: the quality of a saving, and whose tables they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import JpegPresets

Table = tuple[int, ...]

# Table K.1 of ITU-T T.81, row by row.
_STANDARD = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=np.int64,
)
# Table K.2, for colour.
_STANDARD_COLOUR = np.full((8, 8), 99, dtype=np.int64)
_STANDARD_COLOUR[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
# By N. Robidoux, for luminance and colour: MozJPEG's own choice, and one of ImageMagick's.
_ROBIDOUX = np.array(
    [
        [16, 16, 16, 18, 25, 37, 56, 85],
        [16, 17, 20, 27, 34, 40, 53, 75],
        [16, 20, 24, 31, 43, 62, 91, 135],
        [18, 27, 31, 40, 53, 74, 106, 156],
        [25, 34, 43, 53, 69, 94, 131, 189],
        [37, 40, 62, 74, 94, 124, 169, 238],
        [56, 53, 91, 106, 131, 169, 226, 311],
        [85, 75, 135, 156, 189, 238, 311, 418],
    ],
    dtype=np.int64,
)
_KINDS = {"luminance": _STANDARD, "chrominance": _STANDARD_COLOUR, "robidoux": _ROBIDOUX}
_QUALITIES = range(1, 101)


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest of a family's hundred tables.

    quality  1..100, the higher of equals
    apart    how many of the 64 steps are not its own
    """

    quality: int
    apart: int

    @property
    def exact(self) -> bool:
        """All 64 steps are equal."""
        return self.apart == 0


def standard_table(quality: int, kind: str = "luminance") -> NDArray[np.int64]:
    """The table, (8, 8), that the Independent JPEG Group's library makes for a quality of 1..100.

    kind: "luminance", "chrominance", or "robidoux", whose tables MozJPEG scales in the same way.
    """
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    table: NDArray[np.int64] = np.clip((_KINDS[kind] * percent + 50) // 100, 1, 255)
    return table


def nearest(table: Sequence[int], kind: str = "luminance") -> Nearest:
    """The nearest table of a kind, by the logarithms of the steps."""
    known = np.array(table, dtype=np.float64).reshape(8, 8)
    tables = _all_tables(kind)
    distances = np.abs(np.log(tables / known)).sum((1, 2))
    quality = 100 - int(distances[::-1].argmin())  # the higher of equals: 75 rather than 74
    return Nearest(quality=quality, apart=int((tables[quality - 1] != known).sum()))


def likely_quality(steps: dict[tuple[int, int], int]) -> tuple[int, bool]:
    """The standard quality whose table is nearest to the known steps, and whether it is exactly theirs.

    steps: quantisation step by (row, column); not all need be known.
    """
    rows, columns = np.array(list(steps)).T
    known = np.array(list(steps.values()), dtype=np.float64)
    distances = np.abs(np.log(_all_tables("luminance")[:, rows, columns] / known)).sum(1)
    best = 100 - int(distances[::-1].argmin())
    return best, bool(distances[best - 1] == 0.0)


def quality_range(steps: dict[tuple[int, int], int]) -> tuple[int, int, float]:
    """The lowest and the highest standard quality that explain nearly as many of the known steps as the best one does.

    Nearly: all but one. Returns them and the share of the steps that the best one explains exactly.
    """
    rows, columns = np.array(list(steps)).T
    equal = (_all_tables("luminance")[:, rows, columns] == np.array(list(steps.values()))).sum(1)
    near = np.flatnonzero(equal >= max(1, int(equal.max()) - 1))
    return int(near[0]) + 1, int(near[-1]) + 1, float(equal.max()) / len(steps)


def adobe_preset(luminance: Table, chrominance: Table | None) -> str | None:
    """The name of the setting of Adobe Photoshop that has these tables, as far as Pillow knows them."""
    for name, tables in _adobe().items():
        if luminance == tables[0] and chrominance in (None, tables[-1]):
            return name
    return None


@cache
def _adobe() -> dict[str, tuple[Table, ...]]:
    """Luminance and colour by name; Photoshop and its export for the web share some tables."""
    names: dict[tuple[Table, ...], list[str]] = {}
    for name, preset in JpegPresets.presets.items():
        tables = cast("Sequence[Sequence[int]]", preset["quantization"])
        names.setdefault(tuple(tuple(table) for table in tables), []).append(name.replace("_", " "))
    return {" or ".join(found): tables for tables, found in names.items()}


@cache
def _all_tables(kind: str) -> NDArray[np.int64]:
    """The tables of quality 1..100, (100, 8, 8)."""
    return np.stack([standard_table(quality, kind) for quality in _QUALITIES])
