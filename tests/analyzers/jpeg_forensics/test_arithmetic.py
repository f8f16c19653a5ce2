"""The parts against their definitions."""

import math

import numpy as np
import torch
from analyzers.jpeg_forensics.drawn import decoded, encoded, photo
from evaluation.masks import agreement, area_under_curve

from assay.inference.analyzers.jpeg_forensics.dct import block_coefficients
from assay.inference.analyzers.jpeg_forensics.double import fit_frequency, laplacian_weights
from assay.inference.analyzers.jpeg_forensics.grids import log10_tail
from assay.inference.analyzers.jpeg_forensics.regions import box_sum, connected
from assay.inference.analyzers.jpeg_forensics.tables import likely_quality, standard_table
from assay.inference.analyzers.jpeg_forensics.votes import NO_VOTE, grid_votes


def cosines() -> np.ndarray:
    """The orthonormal transform's matrix, from its definition."""
    k, n = np.mgrid[:8, :8]
    matrix = np.sqrt(2 / 8) * np.cos(np.pi * (2 * n + 1) * k / 16)
    matrix[0] = np.sqrt(1 / 8)
    return matrix


def test_the_butterfly_is_the_cosine_transform() -> None:
    luma = np.random.default_rng(1).integers(0, 256, (24, 32)).astype(np.uint8)
    frequencies = [(row, column) for row in range(8) for column in range(8)]
    found = block_coefficients(torch.from_numpy(luma)[None], frequencies)[0].numpy()
    block = luma[8:16, 16:24].astype(np.float64) - 128
    expected = cosines() @ block @ cosines().T
    assert np.allclose(found[:, 1, 2].reshape(8, 8), expected, atol=1e-3)


def votes_by_definition(luma: np.ndarray) -> np.ndarray:
    """ZERO's votes, block by block."""
    height, width = luma.shape
    transform = cosines()
    best = np.zeros(luma.shape, int)
    votes = np.full(luma.shape, NO_VOTE)
    for y in range(height - 7):
        for x in range(width - 7):
            block = luma[y : y + 8, x : x + 8].astype(np.float64)
            # Just under the threshold, so that what is exactly 0.5 does not hang on rounding.
            zeros = (np.abs(transform @ (block - 128) @ transform.T) < 0.5 - 1e-5).sum()
            zeros -= abs(block.sum() / 8 - 1024) < 0.5 - 1e-5
            constant = (block == block[:1]).all() or (block == block[:, :1]).all()
            there = (slice(y, y + 8), slice(x, x + 8))
            votes[there] = np.where(
                zeros > best[there],
                NO_VOTE if constant else y % 8 * 8 + x % 8,
                np.where(zeros == best[there], NO_VOTE, votes[there]),
            )
            best[there] = np.maximum(best[there], zeros)
    votes[:7], votes[-7:], votes[:, :7], votes[:, -7:] = NO_VOTE, NO_VOTE, NO_VOTE, NO_VOTE
    return votes


def test_votes_are_those_of_the_definition() -> None:
    luma = decoded(encoded(photo(1, 64, 72), 80))[..., 1].copy()
    luma[20:40, 30:50] = 77
    found = grid_votes(torch.from_numpy(luma)[None])[0].numpy()
    assert (found == votes_by_definition(luma)).mean() > 0.995


def test_the_tail_bound_is_above_the_tail_and_near_it() -> None:
    for successes, trials in ((5, 64), (20, 200), (90, 1000), (64, 64)):
        tail = sum(
            math.comb(trials, k) * (1 / 64) ** k * (63 / 64) ** (trials - k) for k in range(successes, trials + 1)
        )
        bound = log10_tail(successes, trials)
        assert math.log10(tail) <= bound + 1e-9
        assert bound < math.log10(tail) + 2.5


def test_no_more_than_chance_is_no_evidence() -> None:
    assert log10_tail(1, 64) == 0.0
    assert log10_tail(0, 0) == 0.0


def quantised_twice(first: int, second: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Histograms of Laplacian coefficients: quantised (some of them twice), and not quantised."""
    chance = np.random.default_rng(first)
    plain = chance.laplace(0.0, 14.0, 6000)
    before = np.where(chance.random(6000) < share, np.round(plain / first) * first, plain)
    values = np.round((before + chance.normal(0.0, 0.4, 6000)) / second)
    counts = np.bincount(np.abs(values).astype(int), minlength=128)[:128]
    return counts, np.bincount(np.minimum(np.abs(np.round(plain)).astype(int), 1023), minlength=1024)


def test_the_first_step_and_the_share_are_recovered() -> None:
    for first, second, share in ((7, 4, 1.0), (10, 3, 0.8), (5, 2, 0.6), (6, 1, 0.9)):
        trace = fit_frequency(*quantised_twice(first, second, share), second)
        assert trace is not None
        assert trace.first_step == first
        assert abs(trace.share - share) < 0.1
        assert trace.gain > 100


def test_coefficients_quantised_once_show_no_first_step() -> None:
    for second in (1, 2, 5, 9):
        trace = fit_frequency(*quantised_twice(30, second, 0.0), second)
        assert trace is not None
        assert trace.gain < 15


def test_the_mixture_describes_a_laplacian() -> None:
    sizes = np.abs(np.round(np.random.default_rng(2).laplace(0.0, 9.0, 20000))).astype(int)
    weights = laplacian_weights(np.bincount(sizes, minlength=1024))
    assert math.isclose(weights.sum(), 1.0, rel_tol=1e-9)
    assert weights[(weights > 0.2).nonzero()[0]].sum() > 0.7


def test_standard_tables_are_recognised() -> None:
    for quality in (30, 60, 75, 92):
        table = standard_table(quality)
        steps = {(row, column): int(table[row, column]) for row in range(8) for column in range(8)}
        assert likely_quality(steps) == (quality, True)
        steps[0, 1] += 5
        assert not likely_quality(steps)[1]


def test_box_sums_and_regions() -> None:
    cells = np.zeros((9, 12), bool)
    cells[1:4, 2:6] = True
    cells[4, 6] = True  # touches a corner
    cells[7:9, 9:12] = True
    assert box_sum(cells.astype(float), 1)[2, 3] == 9
    assert box_sum(cells.astype(float), 2)[0, 0] == 2
    first, second = connected(cells, 2)
    assert (first.size, first.rows, first.columns) == (13, (1, 5), (2, 7))
    assert (second.size, second.rows, second.columns) == (6, (7, 9), (9, 12))
    assert connected(cells, 7)[-1].size == 13


def parts_by_definition(cells: np.ndarray) -> list[set[tuple[int, int]]]:
    """Eight-connected parts, cell by cell."""
    left, parts = {(int(y), int(x)) for y, x in np.argwhere(cells)}, []
    while left:
        edge = [left.pop()]
        part = set(edge)
        while edge:
            y, x = edge.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            part |= near
            edge.extend(near)
        parts.append(part)
    return parts


def test_parts_are_those_of_the_definition() -> None:
    chance = np.random.default_rng(4)
    for density in (0.0, 0.1, 0.3, 0.42, 0.6, 1.0):
        cells = chance.random((40, 55)) < density
        found = [
            {(region.rows[0] + int(y), region.columns[0] + int(x)) for y, x in np.argwhere(region.mask)}
            for region in connected(cells, 3)
        ]
        assert [len(part) for part in found] == sorted((len(part) for part in found), reverse=True)
        assert sorted(map(sorted, found)) == sorted(sorted(p) for p in parts_by_definition(cells) if len(p) >= 3)
        assert len(connected(cells, 3, 2)) == min(2, len(found))


def test_agreement_of_masks() -> None:
    true, predicted = np.zeros((10, 10), bool), np.zeros((10, 10), bool)
    true[:5], predicted[:5, :5] = True, True
    found = agreement(predicted, true)
    assert (found.iou, round(found.f1, 4), round(found.mcc, 4)) == (0.5, 0.6667, 0.5774)
    assert agreement(np.zeros_like(true), true).mcc == 0.0
    assert area_under_curve([0.1, 0.2], [0.2, 0.9]) == 0.875
