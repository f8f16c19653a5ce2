"""Regions whose blocks have another compression history than the rest of the picture, by double quantisation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.jpeg_forensics.double import FREQUENCIES, Coefficients, Trace, block_evidence
from assay.inference.analyzers.jpeg_forensics.regions import Region, box_sum, connected, open_close
from assay.inference.analyzers.jpeg_forensics.tables import likely_quality, quality_range

Floats = NDArray[np.float64]

_MINIMUM_FREQUENCIES = 3
_MINIMUM_CELLS = 16
_RADIUS = 2  # a block alone says little: evidence is gathered over 5 by 5
_EVIDENCE = 3.0  # nats in that neighbourhood before a block is taken for odd
_GAIN_PER_COEFFICIENT = 0.02
_MINIMUM_GAIN = 25.0


@dataclass(frozen=True, slots=True, eq=False)
class OddRegion:
    """A region of the other history.

    nats      log-likelihood ratio for it, all blocks together, positive
    fit       nats divided by what the model expects of a region with these coefficients: near 1 where it holds
    rest_fit  the same of the rest of the picture, for its own history
    """

    region: Region
    nats: float
    fit: float
    rest_fit: float


@dataclass(frozen=True, slots=True, eq=False)
class DoubleAnalysis:
    """What double quantisation shows.

    frequencies     how many of the 20 frequencies carry the pattern
    gain            nats that the double model adds over the single one, over these frequencies
    share           of the coefficients that follow it
    quality         standard quality whose table is nearest to the first steps found, None without a pattern
    standard        whether all found steps are exactly that table's
    quality_range   lowest and highest quality that explain the found steps nearly as well, and the share explained
    rest_is_double  the pattern is in the rest and missing in the region, or the other way round
    evidence        (R, C): nats for the odd history, gathered around each block, on the file's grid
    """

    frequencies: int
    gain: float
    share: float
    quality: int | None
    standard: bool
    rest_is_double: bool
    regions: list[OddRegion]
    evidence: Floats | None
    quality_range: tuple[int, int, float] = (1, 100, 0.0)


def find_odd(coefficients: Coefficients, traces: list[Trace | None]) -> DoubleAnalysis:
    """Find the parts of a picture that lack the double quantisation of the rest, or have it alone."""
    used = [trace if trace is not None and _speaks(trace) else None for trace in traces]
    speaking = [trace for trace in used if trace is not None]
    if len(speaking) < _MINIMUM_FREQUENCIES:
        return DoubleAnalysis(len(speaking), 0.0, 0.0, None, False, True, [], None)
    found = block_evidence(coefficients, used)
    total, once, twice = found.total, found.once, found.twice
    around = box_sum(total, _RADIUS)
    rest_is_double = int((around > _EVIDENCE).sum()) >= int((around < -_EVIDENCE).sum())
    sign = -1.0 if rest_is_double else 1.0
    odd_model, rest_model = (-once, twice) if rest_is_double else (twice, -once)
    odd_evidence = sign * around
    likely = (odd_evidence > _EVIDENCE) & (odd_evidence > 0.3 * box_sum(odd_model, _RADIUS))
    likely &= sign * box_sum(total, 1) > 0.0  # gathering widens a region; the nearer blocks set its edge
    regions = [
        _measure(region, sign * total, odd_model, rest_model)
        for region in connected(open_close(likely), _MINIMUM_CELLS, 8)
    ]
    steps = {at: trace.first_step for at, trace in zip(FREQUENCIES, used, strict=True) if trace is not None}
    quality, standard = likely_quality(steps)
    count = sum(trace.count for trace in speaking)
    return DoubleAnalysis(
        frequencies=len(speaking),
        gain=sum(trace.gain for trace in speaking),
        share=sum(trace.share * trace.count for trace in speaking) / count,
        quality=quality,
        standard=standard,
        rest_is_double=rest_is_double,
        regions=sorted(regions, key=lambda found: -found.nats),
        evidence=odd_evidence,
        quality_range=quality_range(steps),
    )


def _speaks(trace: Trace) -> bool:
    """The pattern is there beyond what a slightly wrong single model could feign, and tells the histories apart."""
    needed = max(_MINIMUM_GAIN, _GAIN_PER_COEFFICIENT * trace.count)
    return trace.gain > needed and trace.twice > 0.05 and trace.once < -0.05


def _measure(region: Region, evidence: Floats, odd_model: Floats, rest_model: Floats) -> OddRegion:
    inside = np.zeros(evidence.shape, dtype=np.bool_)
    inside[region.span] = region.mask
    near = box_sum(inside.astype(np.float64), 2) > 0.5
    nats = float(evidence[inside].sum())
    return OddRegion(
        region=region,
        nats=nats,
        fit=nats / max(float(odd_model[inside].sum()), 1e-9),
        rest_fit=-float(evidence[~near].sum()) / max(float(rest_model[~near].sum()), 1e-9),
    )
