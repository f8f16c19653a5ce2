"""Is it the same noise? Dense comparison of a picture with itself under a transform."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.splicing.copies import similarity
from assay.inference.analyzers.splicing.copies.noise import Plane, detail, evened, likeness, strength

Mask = NDArray[np.bool_]

_SIDE = 17  # pixels of the square in which two places are compared
_ALIKE = 0.45
_LEAST_ALIKE = 0.3  # of the places that matched, on the average
_LEAST_AREA = 600  # pixels
_LEAST_SEEDS = 3
_MOST_PARTS = 3
_MOST_OVERLAP = 0.25
_ROUNDS = 25
_QUIET_SIDE = 9
_LARGEST_PART = 400  # pixels of a side that are aligned
_FARTHEST = 6.0  # pixels that refining may move a place


@dataclass(frozen=True, slots=True, eq=False)
class Copy:
    """Two parts of a picture that are the same.

    matrix      from the one to the other, in pixels of the picture that was searched
    source      (H, W) where the part lies that `matrix` moves; which of the two came first is not known
    target      (H, W) where it appears again
    alike       correlation 0..1 of the fine detail over the whole part, evened out
    quiet       the same over the half of the part with the least detail: noise rather than edges
    exact       how far the detail is the same, strength included: 1 for equal, 0 for unlike
    tone        levels by which light and shade differ between the two
    loud        levels of detail in the middle of the part's range
    area        pixels of target
    """

    matrix: similarity.Matrix
    source: Mask
    target: Mask
    alike: float
    quiet: float
    exact: float
    tone: float
    loud: float
    area: int


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """A picture prepared for comparison with itself.

    luma  uint8 (H, W);  soft: without its detail;  fine: the detail;  even: that evened out
    """

    luma: NDArray[np.uint8]
    soft: Plane
    fine: Plane
    even: Plane

    @classmethod
    def of(cls, luma: NDArray[np.uint8]) -> "Searched":
        fine = detail(luma)
        soft = np.asarray(cv2.GaussianBlur(luma.astype(np.float32), (0, 0), 2.0), np.float32)
        return cls(luma, soft, fine, evened(fine))


def refined(searched: Searched, matrix: similarity.Matrix, target: similarity.Points) -> similarity.Matrix | None:
    """Bring a transform that was read off keypoints to a fraction of a pixel. target: places (N, 2) where it holds.

    None where these places are not alike even so.
    """
    height, width = searched.luma.shape
    middle = np.median(target, axis=0)
    low = np.maximum(np.maximum(target.min(0) - 12, middle - _LARGEST_PART / 2), 0).astype(int)
    high = np.minimum(np.minimum(target.max(0) + 13, middle + _LARGEST_PART / 2), [width, height]).astype(int)
    tried = [matrix]
    forth = _aligned(searched.luma, matrix, low, high)
    if forth is not None:
        back = similarity.inverse(matrix)
        moved = similarity.applied(forth, similarity.applied(back, target)) - target
        if float(np.abs(moved).max()) < _FARTHEST:  # else it ran away, often to where a place matches itself
            tried.append(forth)
    part = searched.even[low[1] : high[1], low[0] : high[0]]
    x, y = np.clip((target - low).round().astype(int), 0, high - low - 1).T
    alike = [float(likeness(part, _moved(searched.even, each, low, high), _SIDE)[y, x].mean()) for each in tried]
    best = int(np.argmax(alike))
    return tried[best] if alike[best] >= _LEAST_ALIKE else None


def _aligned(
    luma: NDArray[np.uint8], matrix: similarity.Matrix, low: NDArray[np.int64], high: NDArray[np.int64]
) -> similarity.Matrix | None:
    """An affine transform near `matrix` that maps the picture best onto its part from `low` to `high` (x, y).

    None where that part is too small or where no transform is better than others. Source: G. D. Evangelidis, E. Z.
    Psarakis, Parametric image alignment using enhanced correlation coefficient maximization, IEEE TPAMI 30(10), 2008.
    """
    height, width = luma.shape
    part = np.ascontiguousarray(luma[low[1] : high[1], low[0] : high[0]])
    back = similarity.inverse(matrix)
    back[:, 2] += back[:, :2] @ low
    corners = np.array([[0, 0], [part.shape[1], 0], [0, part.shape[0]], [part.shape[1], part.shape[0]]], dtype=float)
    reach = similarity.applied(back, corners)
    first = np.maximum(reach.min(0).astype(int) - 16, 0)
    last = np.minimum(reach.max(0).astype(int) + 17, [width, height])
    if (last - first).min() < 24 or min(part.shape) < 16:
        return None
    back[:, 2] -= first
    within = np.ascontiguousarray(luma[first[1] : last[1], first[0] : last[0]])
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ROUNDS, 1e-4)
    try:
        _, found = cv2.findTransformECC(
            part, within, back.astype(np.float32), cv2.MOTION_AFFINE, stop, np.ones_like(within), 5
        )
    except cv2.error:  # it does not converge where the two are not alike
        return None
    better = np.asarray(found, dtype=np.float64)
    better[:, 2] += first
    better[:, 2] -= better[:, :2] @ low
    return similarity.inverse(better)


def under_transform(searched: Searched, matrix: similarity.Matrix, seeds: similarity.Points) -> list[Copy]:
    """The parts that are the same under a transform and hold some of `seeds`: places (N, 2) in the target."""
    height, width = searched.luma.shape
    warped = _moved(searched.even, matrix)
    places = np.clip(seeds.round().astype(int), 0, [width - 1, height - 1])
    parts = _parts(likeness(searched.even, warped, _SIDE) > _ALIKE)
    held = [part for part in parts if part[places[:, 1], places[:, 0]].sum() >= _LEAST_SEEDS]
    return [copy for part in held if (copy := _copy(searched, matrix, part)) is not None]


def under_shift(searched: Searched, x: int, y: int) -> list[Copy]:
    """The parts that are the same at a shift that is known modulo the picture's width and height."""
    height, width = searched.luma.shape
    rolled = np.roll(searched.even, (y, x), (0, 1))
    alike = likeness(searched.even, rolled, _SIDE) > _ALIKE
    found = []
    for rows, down in ((slice(y, height), y), (slice(0, y), y - height)):
        for columns, right in ((slice(x, width), x), (slice(0, x), x - width)):
            matrix = np.array([[1.0, 0.0, right], [0.0, 1.0, down]])
            copies = []
            for part in _parts(alike[rows, columns]):
                target = np.zeros_like(alike)
                target[rows, columns] = part
                copies.append(_copy(searched, matrix, target))
            found += [copy for copy in copies if copy is not None]
    return found


def _parts(cells: Mask) -> list[Mask]:
    """The largest connected parts, without what is thin and with gaps filled."""
    if cells.sum() < _LEAST_AREA:
        return []
    tidy = cv2.morphologyEx(cells.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    tidy = cv2.morphologyEx(tidy, cv2.MORPH_CLOSE, np.ones((11, 11), np.uint8))
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(tidy, connectivity=8)
    areas = statistics[:, cv2.CC_STAT_AREA]
    large = [part for part in range(1, count) if areas[part] >= _LEAST_AREA]
    return [labels == part for part in sorted(large, key=lambda part: (-int(areas[part]), part))[:_MOST_PARTS]]


def _copy(searched: Searched, matrix: similarity.Matrix, target: Mask) -> Copy | None:
    height, width = target.shape
    back = similarity.inverse(matrix)
    source = cv2.warpAffine(target.astype(np.uint8), back, (width, height), flags=cv2.INTER_NEAREST) > 0
    area = int(target.sum())
    if source.sum() < 0.5 * area * similarity.scale_of(back) ** 2 or (source & target).sum() > _MOST_OVERLAP * area:
        return None
    # From here on only the part itself is looked at.
    rows, columns = np.flatnonzero(target.any(1)), np.flatnonzero(target.any(0))
    low, high = np.array([columns[0], rows[0]]), np.array([columns[-1] + 1, rows[-1] + 1])
    box = np.s_[low[1] : high[1], low[0] : high[0]]
    inside = target[box]
    one, other = searched.even[box][inside], _moved(searched.even, matrix, low, high)[inside]
    loud = strength(searched.fine[box], _QUIET_SIDE)[inside]
    calm = loud <= np.median(loud)
    first, second = searched.fine[box][inside], _moved(searched.fine, matrix, low, high)[inside]
    return Copy(
        matrix=matrix,
        source=source,
        target=target,
        alike=round(_correlation(one, other), 4),
        quiet=round(_correlation(one[calm], other[calm]), 4),
        exact=round(_sameness(first, second), 4),
        tone=round(_tone(searched.soft[box], _moved(searched.soft, matrix, low, high), inside), 4),
        loud=round(float(np.median(loud)), 3),
        area=area,
    )


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    first, second = one.astype(np.float64), other.astype(np.float64)
    power = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / power if power > 1e-6 * len(one) else 0.0


def _sameness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """1 where the detail is the same in strength too, 0 where two details have nothing in common."""
    first, second = one.astype(np.float64), other.astype(np.float64)
    return float(2.0 * (first * second).sum() / max((first**2).sum() + (second**2).sum(), 1e-6))


def _tone(one: Plane, other: Plane, inside: Mask) -> float:
    """Levels by which light and shade differ between the two, one overall difference of brightness aside."""
    core = cv2.erode(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    difference = (one - other)[core if core.any() else inside]
    return float(1.4826 * np.median(np.abs(difference - np.median(difference))))


def _moved(
    plane: Plane,
    matrix: similarity.Matrix,
    low: NDArray[np.int64] | None = None,
    high: NDArray[np.int64] | None = None,
) -> Plane:
    """A plane under a transform: all of it, or what comes to lie between two corners (x, y)."""
    if low is None or high is None:
        low, high = np.array([0, 0]), np.array([plane.shape[1], plane.shape[0]])
    placed = matrix.copy()
    placed[:, 2] -= low
    size = int(high[0] - low[0]), int(high[1] - low[1])
    return np.asarray(cv2.warpAffine(plane, placed, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))
