"""Double quantisation: which blocks were compressed once, in a picture whose other blocks were compressed twice.

A coefficient that was quantised by q1 and then by q2 falls on some values too often and on others too seldom. What is
pasted in and saved along with the rest was never quantised by q1 on this grid, and lacks that pattern. The two models
are fitted to each picture and frequency, with q1 unknown, and every block gets the logarithm of their likelihood ratio.

The value 0 is left out of both models: it says how smooth a block is, not how often it was compressed; so is what
rounding noise makes of a 0. Blocks with clipped colours are left out too, for clipping destroys the pattern.

Sources: Z. Lin, J. He, X. Tang, C.-K. Tang, Fast, automatic and fine-grained tampered JPEG image detection via DCT
coefficient analysis, Pattern Recognition 42, 2009; T. Bianchi, A. De Rosa, A. Piva, Improved DCT coefficient analysis
for forgery localization in JPEG images, ICASSP 2011; T. Bianchi, A. Piva, Image forgery localization via block-grained
analysis of JPEG artifacts, IEEE TIFS 7(3), 2012. The single model's histogram comes, as there, from the picture
shifted by half a block; here a mixture of Laplacians is fitted to it, so that it is smooth and falls to both sides.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from assay.inference.analyzers.jpeg_forensics.dct import BLOCK, block_coefficients

# (row, column), the 20 lowest but for the mean: the diagonals of the zigzag order.
FREQUENCIES = tuple((row, diagonal - row) for diagonal in range(1, 6) for row in range(diagonal + 1))
LIMIT = 127  # quantised values beyond it say nothing

_UNITS = 1024
_BAND = 1 << 20  # pixels transformed at a time on a CPU
_DEVICE_BAND = 1 << 25
_MOST_ROWS = 512  # of blocks
_ROUNDING = 0.5  # standard deviation of a coefficient after pixels were rounded, in colour and back
_SMOOTH_ROUNDING = 2.5  # in a smooth gradient rounding errors line up, and grow to this in low frequencies
_OUTLIERS = 0.02
_LEAST_SPEAKING = 3  # coefficients of a block; one with fewer is too smooth to judge
_SCALES = np.geomspace(0.25, 180.0, 12)
_SHARES = np.concatenate([np.arange(0.05, 1.0, 0.05), [0.98, 1.0]])
_LARGEST_STEP = 80
_MINIMUM_COUNT = 150
_KEPT_STEP = 24

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Coefficients:
    """What the device gives for one picture.

    values   int16 (K, R, C), quantised, on the device
    usable   bool (R, C): no clipped pixel, on the device
    counts   int64 (K, LIMIT + 1): histogram of |values| over the usable blocks
    smooth   int64 (K, 1024): histogram of the rounded |coefficients| of the picture shifted by four pixels
    """

    values: Tensor
    usable: Tensor
    counts: NDArray[np.int64]
    smooth: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A frequency's fitted models.

    first_step  q1
    gain        log-likelihood that the double model adds over the single one, all blocks together
    share       of coefficients that were quantised twice
    evidence    (LIMIT + 1,) log P(|value| twice) / P(|value| once); 0 for value 0
    once, twice mean evidence of a coefficient under each model
    count       of coefficients that speak;  first_value: the smallest |value| that does
    """

    first_step: int
    gain: float
    share: float
    evidence: Floats
    once: float
    twice: float
    count: int
    first_value: int


def quantised(luma: Tensor, usable: Sequence[NDArray[np.bool_]], tables: Tensor) -> list[Coefficients]:
    """Recover the quantised coefficients of a batch and count them.

    luma: uint8 (N, H, W). usable: of each picture bool (H // 8, W // 8), of `unclipped`. tables: float32 (N, 64), the
    steps. Whole numbers, equal on every device.
    """
    count, height, width = luma.shape
    shape = (count, len(FREQUENCIES), height // BLOCK, width // BLOCK)
    values = torch.empty(shape, dtype=torch.int16, device=luma.device)
    smooth = torch.zeros((count, len(FREQUENCIES), _UNITS), dtype=torch.int64, device=luma.device)
    steps = torch.stack([tables[:, row * BLOCK + column] for row, column in FREQUENCIES], dim=1)[:, :, None, None]
    pixels = _BAND if luma.device.type == "cpu" else _DEVICE_BAND
    band = min(_MOST_ROWS, max(1, pixels // width // BLOCK))
    for top in range(0, shape[2], band):
        rows = slice(top * BLOCK, (top + band) * BLOCK)
        values[:, :, top : top + band] = torch.round(block_coefficients(luma[:, rows], FREQUENCIES) / steps)
        half = luma[:, rows.start + BLOCK // 2 : rows.stop + BLOCK // 2, BLOCK // 2 :]
        if half.shape[1] >= BLOCK:
            smooth += _unit_counts(block_coefficients(half, FREQUENCIES))
    return [
        _counted(picture, torch.from_numpy(mask).to(luma.device), counts)
        for picture, mask, counts in zip(values, usable, smooth.cpu().numpy(), strict=True)
    ]


def unclipped(packed: NDArray[np.uint8], size: tuple[int, int], origin: tuple[int, int]) -> NDArray[np.bool_]:
    """Blocks without a clipped pixel.

    packed: uint8 (H, ceil(W / 8)), pixels that are clipped, eight in a byte. size: (W, H). origin: (x, y) of the first
    block. Returns bool (rows, columns) of the whole blocks from there.
    """
    (width, height), (x, y) = size, origin
    rows, columns = (height - y) // BLOCK, (width - x) // BLOCK
    lines = packed[y : y + rows * BLOCK].reshape(rows, BLOCK, -1)
    any_of_rows = np.unpackbits(np.bitwise_or.reduce(lines, axis=1), axis=1)
    blocks: NDArray[np.bool_] = any_of_rows[:, x : x + columns * BLOCK].reshape(rows, columns, BLOCK).max(2) == 0
    return blocks


def _unit_counts(coefficients: Tensor) -> Tensor:
    size = torch.round(coefficients).abs_().clamp_(max=_UNITS - 1).to(torch.int64)
    return torch.stack(
        [torch.stack([torch.bincount(f.flatten(), minlength=_UNITS) for f in picture]) for picture in size]
    )


def _counted(values: Tensor, usable: Tensor, smooth: NDArray[np.int64]) -> Coefficients:
    counts = torch.stack([_histogram(frequency[usable]) for frequency in values])
    return Coefficients(values=values, usable=usable, counts=counts.cpu().numpy(), smooth=smooth)


def _histogram(values: Tensor) -> Tensor:
    return torch.bincount(values.abs().clamp(max=LIMIT + 1), minlength=LIMIT + 2)[: LIMIT + 1]


def fit(coefficients: Coefficients, table: tuple[int, ...]) -> list[Trace | None]:
    """Fit both models to each frequency; None where there are too few coefficients other than 0."""
    return [
        fit_frequency(counts, smooth, table[row * BLOCK + column])
        for counts, smooth, (row, column) in zip(coefficients.counts, coefficients.smooth, FREQUENCIES, strict=True)
    ]


def fit_frequency(counts: NDArray[np.int64], smooth: NDArray[np.int64], step: int) -> Trace | None:
    """Find the first step that explains a frequency's histogram best. step: q2."""
    first = smallest_value(step)
    seen = counts[first:].astype(np.float64)
    if seen.sum() < _MINIMUM_COUNT:
        return None
    weights = laplacian_weights(smooth)
    value = np.arange(first, LIMIT + 1, dtype=np.float64)
    once = _normalised(_mass(weights, step * (value - 0.5), step * (value + 0.5)))
    twice = _normalised(twice_quantised(weights, step)[:, first - 1 :] + 1e-12)
    twice = (1.0 - _OUTLIERS) * twice + _OUTLIERS * once
    mixed = _SHARES[:, None, None] * twice + (1.0 - _SHARES[:, None, None]) * once
    present = seen > 0
    gains = (seen[present] * (np.log(mixed[..., present]) - np.log(once[present]))).sum(-1)
    at_share, at_step = np.unravel_index(int(gains.argmax()), gains.shape)
    ratio = np.log(twice[at_step]) - np.log(once)
    return Trace(
        first_step=int(at_step) + 1,
        gain=float(gains[at_share, at_step]),
        share=float(_SHARES[at_share]),
        evidence=np.concatenate([np.zeros(first), ratio]),
        once=float((once * ratio).sum()),
        twice=float((twice[at_step] * ratio).sum()),
        count=int(seen.sum()),
        first_value=first,
    )


def smallest_value(step: int) -> int:
    """The smallest value that speaks: below it, rounding alone may have made it of a 0."""
    return 1 + max(0, math.ceil(_SMOOTH_ROUNDING / step - 0.5))


def laplacian_weights(smooth: NDArray[np.int64]) -> Floats:
    """Weights (12,) of the fixed scales, by expectation maximisation on a histogram of |coefficient|."""
    edges = np.arange(len(smooth)) - 0.5
    edges[0] = 0.0
    likelihood = np.exp(-edges / _SCALES[:, None]) - np.exp(-(np.arange(len(smooth)) + 0.5) / _SCALES[:, None])
    present = smooth > 0
    likelihood, seen = likelihood[:, present] + 1e-300, smooth[present].astype(np.float64)
    weights = np.full(len(_SCALES), 1.0 / len(_SCALES))
    for _ in range(60):
        parts = weights[:, None] * likelihood
        weights = (parts * (seen / parts.sum(0))).sum(1) / seen.sum()
    return weights


def _mass(weights: Floats, low: Floats, high: Floats) -> Floats:
    """Probability of low <= |coefficient| < high."""
    scales = _SCALES[:, None]
    mass: Floats = (weights[:, None] * (np.exp(-np.maximum(low, 0.0) / scales) - np.exp(-high / scales))).sum(0)
    return mass


def twice_quantised(weights: Floats, step: int) -> Floats:
    """P(|value|) for values 1..LIMIT after quantisation by each q1 of 1.._LARGEST_STEP, then rounding noise, then q2.

    Returns (_LARGEST_STEP, LIMIT), not normalised.
    """
    # Coarse steps are rare and take megabytes each.
    low, high, spread = (_transitions if step <= _KEPT_STEP else _transitions.__wrapped__)(step)
    mass = _mass(weights, low, high)
    result = np.zeros(_LARGEST_STEP * (LIMIT + 1))
    for index, inside, share in spread:
        result += np.bincount(index, weights=(mass * share)[inside], minlength=len(result))
    return result.reshape(_LARGEST_STEP, LIMIT + 1)[:, 1:]


@lru_cache(maxsize=_KEPT_STEP)
def _transitions(
    step: int,
) -> tuple[Floats, Floats, list[tuple[NDArray[np.int64], NDArray[np.bool_], Floats]]]:
    """Where values that were quantised by each first step lie, and how rounding noise spreads them over `step`'s.

    Returns the bounds of the first quantisation's values, and for each neighbouring value the place in the result,
    which values have one, and the share that falls there. The same for all pictures with this step.
    """
    firsts = [np.arange(1, int((LIMIT + 1) * step / first) + 2) for first in range(1, _LARGEST_STEP + 1)]
    rows = np.concatenate([np.full(len(v), first - 1) for first, v in enumerate(firsts, 1)])
    value = np.concatenate(firsts)
    first_step = rows + 1.0
    centre = first_step * value
    target = np.floor(centre / step + 0.5)
    spread = []
    # Rounding moves a coefficient to a neighbouring value at most, but for steps of 1 where it may pass two.
    for offset in range(-2, 3):
        value_at = target + offset
        low = (step * (value_at - 0.5) - centre) / _ROUNDING
        high = (step * (value_at + 0.5) - centre) / _ROUNDING
        inside = (value_at >= 1) & (value_at <= LIMIT)
        index = rows * (LIMIT + 1) + np.clip(value_at, 0, LIMIT).astype(np.int64)
        spread.append((index[inside], inside, _normal(high) - _normal(low)))
    return first_step * (value - 0.5), first_step * (value + 0.5), spread


def _normal(x: Floats) -> Floats:
    cumulative: Floats = torch.special.ndtr(torch.from_numpy(x)).numpy()
    return cumulative


def _normalised(p: Floats) -> Floats:
    normalised: Floats = p / p.sum(-1, keepdims=True)
    return normalised


@dataclass(frozen=True, slots=True, eq=False)
class BlockEvidence:
    """What each block says, float64 (R, C); 0 where a block is clipped or too smooth to judge.

    total        log-likelihood ratio of twice to once
    once, twice  what it would be on average, for a block with these coefficients, under either model
    """

    total: Floats
    once: Floats
    twice: Floats


def block_evidence(coefficients: Coefficients, traces: Sequence[Trace | None]) -> BlockEvidence:
    """Add up the evidence of each block over the frequencies that are used. Added up in one order on every device."""
    used = [(values, trace) for values, trace in zip(coefficients.values, traces, strict=True) if trace is not None]
    speaking = torch.zeros_like(coefficients.usable, dtype=torch.uint8)
    total, once, twice = (torch.zeros_like(speaking, dtype=torch.float64) for _ in range(3))
    for values, trace in used:
        size = values.abs()
        spoke = (size >= trace.first_value) & (size <= LIMIT)
        speaking += spoke
        lookup = torch.from_numpy(np.append(trace.evidence, 0.0)).to(values.device)
        total += lookup[size.clamp(max=LIMIT + 1).to(torch.int32)]
        once += spoke * trace.once
        twice += spoke * trace.twice
    judged = coefficients.usable & (speaking >= _LEAST_SPEAKING)
    return BlockEvidence(*(torch.where(judged, values, 0.0).cpu().numpy() for values in (total, once, twice)))
