"""Compares the thumbnail that Exif carries with the picture itself.

Programs that edit a picture and leave its Exif alone leave the old thumbnail in it. Cameras put bars around thumbnails
of pictures that are not 4:3, and compress them hard; some programs turn the picture and not the thumbnail. So both are
brought to the same small size in luma and compared by correlation, which brightness and contrast do not change, for
every turn and a few ways of fitting.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.inference.pictures import upright

SAME, OTHER = 0.85, 0.45
"""Correlation from which two pictures count as the same one, and below which as two; between them nothing is said."""

CROPPED = 0.93
"""Correlation from which the picture counts as found in a part of the thumbnail: there are many parts to try."""

GRID = 96
"""Both are compared at so many pixels on the longer side."""

_SIDES = (24, 1024)
_FLAT = 6.0  # levels of standard deviation under which there is nothing to compare
_PLAIN = 15.0  # … and under which a low correlation proves nothing
_BAR_LEVEL, _BAR_SPREAD = 28.0, 10.0
_SHIFT = 2
_CROPS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.33)
_CELL = 6
_PART = 30.0  # levels by which a part must differ, beside 6 times the usual difference and twice that of most cells
_ODD_SHARE = 0.25
_PART_ALIKE = 0.6  # correlation from which a part shows the same, in other tones

Plane = NDArray[np.float64]
Gray = NDArray[np.uint8]
Box = tuple[float, float, float, float]


class Outcome(StrEnum):
    """What the thumbnail shows."""

    SAME = "same"
    TURNED = "turned"
    CROPPED = "cropped"
    PART = "part"
    OTHER = "other"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of a thumbnail with its picture.

    correlation  the best over all turns and fits, -1..1
    turn         the Exif orientation that brings the stored picture to the thumbnail's frame; 1: as it is
    box          x, y, width, height as shares of the stored picture (PART: where they differ) or of the thumbnail
                 (CROPPED: where the picture lies in it)
    thumbnail    luma, uint8 (H, W), for people to look at
    picture      the stored picture in small, luma, uint8 (H, W)
    """

    outcome: Outcome
    correlation: float
    turn: int
    thumbnail: Gray
    picture: Gray
    box: Box | None = None


def compare(thumbnail: bytes, picture: Gray) -> Comparison | None:
    """Compare. picture: luma of the stored picture in small, uint8 (H, W). None where there is nothing to compare."""
    decoded = _decoded(thumbnail)
    if decoded is None or min(picture.shape) < _SIDES[0] or picture.std() < _FLAT or decoded.std() < _FLAT:
        return None
    best, region, view = _fit(decoded, picture, 1)
    part = _other_part(region, view) if best >= OTHER else None
    if part or best >= SAME:
        return Comparison(Outcome.PART if part else Outcome.SAME, best, 1, decoded, picture, part)
    turned, turn = max((_fit(decoded, picture, turn)[0], turn) for turn in (2, 3, 4, 5, 6, 7, 8))
    if turned >= SAME:
        return Comparison(Outcome.TURNED, turned, turn, decoded, picture)
    best = max(best, turned)
    crop = max((_within(decoded, picture, turn) for turn in (1, 6, 8)), key=lambda found: found[0])
    if crop[0] >= CROPPED:
        return Comparison(Outcome.CROPPED, crop[0], 1, decoded, picture, crop[1])
    is_other = best < OTHER and min(picture.std(), decoded.std()) >= _PLAIN
    return Comparison(Outcome.OTHER if is_other else Outcome.UNCLEAR, best, 1, decoded, picture)


def _decoded(data: bytes) -> Gray | None:
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            if min(image.size) < _SIDES[0] or max(image.size) > _SIDES[1]:
                return None
            return np.asarray(image.convert("L"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _fit(thumbnail: Gray, picture: Gray, turn: int) -> tuple[float, Plane, Plane]:
    """The best correlation of a turned picture with the thumbnail, and both as they were compared."""
    turned = upright(picture, turn)
    results = [_correlated(region, view) for region, view in _fittings(thumbnail, turned)]
    return max(results, key=lambda result: result[0])


def _fittings(thumbnail: Gray, picture: Gray) -> Iterator[tuple[Gray, Gray]]:
    """Ways in which cameras bring a picture into the frame of a thumbnail."""
    yield _without_bars(thumbnail), picture
    aspect = picture.shape[1] / picture.shape[0]
    own = thumbnail.shape[1] / thumbnail.shape[0]
    if abs(aspect / own - 1) > 0.02:
        yield thumbnail, picture  # squeezed
        yield _middle(thumbnail, aspect), picture  # bars of any colour
        yield thumbnail, _middle(picture, own)  # its sides cut off


def _without_bars(gray: Gray) -> Gray:
    for axis in (1, 0):
        dark = (gray.mean(axis=axis) < _BAR_LEVEL) & (gray.std(axis=axis) < _BAR_SPREAD)
        inside = np.flatnonzero(~dark)
        if len(inside) < gray.shape[1 - axis] // 3:
            continue
        # A camera's bars are alike on both sides; a dark sky is not.
        before, after = int(inside[0]), len(dark) - 1 - int(inside[-1])
        if abs(before - after) <= 3:
            part = slice(before, len(dark) - after)
            gray = gray[part] if axis == 1 else gray[:, part]
    return gray


def _middle(gray: Gray, aspect: float) -> Gray:
    """The largest part around the middle with this width to height."""
    height, width = gray.shape
    wide, tall = min(width, round(height * aspect)), min(height, round(width / aspect))
    top, left = (height - tall) // 2, (width - wide) // 2
    return gray[top : top + max(tall, 1), left : left + max(wide, 1)]


def _scaled(gray: Gray, size: tuple[int, int]) -> Plane:
    """Averages, then as soft as a thumbnail that was compressed hard."""
    small = Image.fromarray(np.ascontiguousarray(gray)).resize(size, Image.Resampling.HAMMING)
    return _softened(np.asarray(small, dtype=np.float64))


def _softened(plane: Plane) -> Plane:
    wide = np.pad(plane, 1, mode="edge")
    rows = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    return (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16.0


def _correlated(region: Gray, view: Gray) -> tuple[float, Plane, Plane]:
    """Correlation at the best shift of a pixel or two: programs round differently where a thumbnail begins."""
    height, width = region.shape
    scale = GRID / max(height, width)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    first, second = _scaled(region, size), _scaled(view, size)
    best = (-1.0, first, second)
    inner = first[_SHIFT:-_SHIFT, _SHIFT:-_SHIFT]
    for down in range(2 * _SHIFT + 1):
        for right in range(2 * _SHIFT + 1):
            part = second[down : down + inner.shape[0], right : right + inner.shape[1]]
            value = _correlation(inner, part)
            if value > best[0]:
                best = (value, inner, part)
    return best


def _correlation(first: Plane, second: Plane) -> float:
    one, two = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((one * one).sum() * (two * two).sum()))
    return float((one * two).sum() / scale) if scale > 0 else 0.0


def _other_part(thumbnail: Plane, picture: Plane) -> Box | None:
    """Where the pictures differ although they are the same elsewhere; shares of the frame: x, y, width, height.

    The thumbnail is first brought to the picture's brightness and contrast, by what is alike in both; that must be
    most. A part counts where whole cells of it differ by far more than cells usually do, and where not only the
    brightness is another: what clipped highlights lose in a thumbnail is no edit.
    """
    rows, columns = picture.shape[0] // _CELL, picture.shape[1] // _CELL
    if rows < 3 or columns < 3:
        return None
    whole = np.s_[: rows * _CELL, : columns * _CELL]
    thumbnail, picture = thumbnail[whole], picture[whole]
    alike = np.ones(picture.shape, dtype=bool)
    for _ in range(3):
        spread = float(thumbnail[alike].var())
        if spread < 1.0:
            return None
        means = float(thumbnail[alike].mean()), float(picture[alike].mean())
        slope = float(((thumbnail[alike] - means[0]) * (picture[alike] - means[1])).mean()) / spread
        apart = np.abs(picture - means[1] - slope * (thumbnail - means[0]))
        cells = apart.reshape(rows, _CELL, columns, _CELL).mean(axis=(1, 3))
        alike = np.kron(cells <= np.quantile(cells, 1 - _ODD_SHARE), np.ones((_CELL, _CELL))).astype(bool)
    if _correlation(thumbnail[alike], picture[alike]) < CROPPED:
        return None
    odd = cells > max(_PART, 6 * float(np.median(cells)), 2 * float(np.quantile(cells, 0.9)))
    if odd.sum() < 2 or odd.mean() > _ODD_SHARE:
        return None
    down, right = np.nonzero(odd)
    top, bottom, left, end = down.min(), down.max() + 1, right.min(), right.max() + 1
    inside = np.s_[top * _CELL : bottom * _CELL, left * _CELL : end * _CELL]
    if _correlation(thumbnail[inside], picture[inside]) > _PART_ALIKE:
        return None
    return float(left / columns), float(top / rows), float((end - left) / columns), float((bottom - top) / rows)


def _within(thumbnail: Gray, picture: Gray, turn: int) -> tuple[float, Box | None]:
    """Look for the picture inside the thumbnail: the best correlation, and where, as shares of the thumbnail."""
    whole = _without_bars(thumbnail)
    scale = GRID / max(whole.shape)
    frame = _scaled(whole, (max(8, round(whole.shape[1] * scale)), max(8, round(whole.shape[0] * scale))))
    turned = upright(picture, turn)
    best: tuple[float, Box | None] = (-1.0, None)
    for share in _CROPS:
        height, width = frame.shape
        aspect = turned.shape[1] / turned.shape[0]
        wide = share * min(width, height * aspect)
        size = round(wide), round(wide / aspect)
        if min(size) < 16:
            continue
        value, down, right = _matched(frame, _scaled(turned, size))
        if value > best[0]:
            best = value, (right / width, down / height, size[0] / width, size[1] / height)
    return best


def _matched(frame: Plane, part: Plane) -> tuple[float, int, int]:
    """Where a smaller picture correlates best with a part of a larger one: (correlation, row, column)."""
    centred = part - part.mean()
    shape = frame.shape
    spectrum = np.fft.rfft2(frame)

    def slid(kernel: Plane, of: NDArray[np.complex128]) -> Plane:
        product = np.fft.irfft2(of * np.conj(np.fft.rfft2(kernel, shape)), shape)
        return np.asarray(product[: shape[0] - part.shape[0] + 1, : shape[1] - part.shape[1] + 1])

    ones = np.ones_like(part)
    total, squares = slid(ones, spectrum), slid(ones, np.fft.rfft2(frame * frame))
    spread = np.maximum(squares - total * total / part.size, 1e-9)
    values = slid(centred, spectrum) / np.sqrt(spread * (centred * centred).sum() + 1e-9)
    values[spread < part.size * _FLAT**2] = -1.0
    down, right = np.unravel_index(int(values.argmax()), values.shape)
    return float(values[down, right]), int(down), int(right)
