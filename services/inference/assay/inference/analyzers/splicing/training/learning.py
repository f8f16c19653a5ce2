"""Trains the comparator from unedited photos alone.

A part that does not belong is made in the counts: a window of one photo takes the place of a window of another that was
last saved at the same quality. Parts that belong are windows of photos themselves, in the second half of training those
that look least like it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from assay.inference.analyzers.splicing.residual.comparator import Comparator, inputs
from assay.inference.analyzers.splicing.residual.windows import DIFFERENCES, Compared, compare, sums, windows
from assay.inference.analyzers.splicing.training.collecting import Measured

_TRACES, _KINDS, _LAYERS = 16, 10, (48, 32)
_PARTS = 16  # that do not belong, of each photo
_WINDOWS = 60  # that belong, of each photo
_HARD = 12
_RIDGE = 3e-2
_ROUNDS, _EASY_ROUNDS, _STEPS, _BATCH = 24, 8, 40, 256
_SHARES = (0.18, 0.45)

Values = NDArray[np.float64]


def trained(photos: Sequence[Measured], seed: int = 7) -> Comparator:
    """A comparator from the patterns of unedited photos. The same photos and seed give the same weights."""
    chance = np.random.default_rng(seed)
    torch.manual_seed(seed)
    usable = [photo for photo in photos if min(photo.counts.shape[:2]) >= 8]
    foreign = _foreign(usable, chance)
    belonging = [_belonging(photo.counts.astype(np.float64), chance) for photo in usable]
    own = np.concatenate([part.differences for part in belonging])
    traces = _traces(own, foreign.differences)
    pictures = np.stack([part.context[0, :DIFFERENCES] for part in belonging])
    usual = pictures.mean(0)
    strengths, directions = np.linalg.eigh(np.cov((pictures - usual).T))
    kinds = directions[:, -_KINDS:] / np.sqrt(strengths[-_KINDS:])
    net = _fit(
        _tensor(inputs(foreign, traces, usual, kinds)),
        [_tensor(inputs(part, traces, usual, kinds)) for part in belonging],
    )
    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    weights = [layer.weight.detach().numpy().T.astype(np.float64) for layer in layers]
    biases = [layer.bias.detach().numpy().astype(np.float64) for layer in layers]
    return Comparator(traces, usual, kinds, weights[0], biases[0], weights[1], biases[1], weights[2], biases[2])


def _belonging(counts: Values, chance: np.random.Generator) -> Compared:
    places = windows(*counts.shape[:2])
    chosen = chance.permutation(len(places))[:_WINDOWS]
    return compare(sums(counts, places[chosen]), counts.sum((0, 1))[None])


def _foreign(photos: Sequence[Measured], chance: np.random.Generator) -> Compared:
    of_quality: dict[int, list[Measured]] = {}
    for photo in photos:
        of_quality.setdefault(photo.quality, []).append(photo)
    parts, wholes = [], []
    for photo in photos:
        others = of_quality[photo.quality]
        for _ in range(_PARTS):
            other = others[int(chance.integers(0, len(others)))]
            if other.name == photo.name:
                continue
            gone, put = _window(photo, chance), _window(other, chance)
            put *= gone.sum() / max(put.sum(), 1.0)
            parts.append(put)
            wholes.append(photo.counts.astype(np.float64).sum((0, 1)) - gone + put)
    return compare(np.stack(parts), np.stack(wholes))


def _window(photo: Measured, chance: np.random.Generator) -> Values:
    rows, columns = photo.counts.shape[:2]
    side = chance.uniform(*_SHARES) * min(rows, columns)
    tall = min(max(4, round(side)), rows - 1)
    wide = min(max(4, round(side * chance.uniform(0.7, 1.4))), columns - 1)
    top, left = int(chance.integers(0, rows - tall + 1)), int(chance.integers(0, columns - wide + 1))
    found: Values = photo.counts[top : top + tall, left : left + wide].astype(np.float64).sum((0, 1))
    return found


def _traces(own: Values, foreign: Values) -> Values:
    """Directions in which foreign parts differ most, over how much parts that belong differ."""
    usual = own.T @ own / len(own)
    usual += _RIDGE * np.trace(usual) / len(usual) * np.eye(len(usual))
    half = np.linalg.inv(np.linalg.cholesky(usual))
    strengths, directions = np.linalg.eigh(half @ (foreign.T @ foreign / len(foreign)) @ half.T)
    found: Values = half.T @ directions[:, np.argsort(-strengths)[:_TRACES]]
    return found


def _fit(foreign: Tensor, belonging: Sequence[Tensor]) -> nn.Sequential:
    wide, narrow = _LAYERS
    net = nn.Sequential(
        nn.Linear(foreign.shape[1], wide), nn.SiLU(), nn.Dropout(0.2), nn.Linear(wide, narrow), nn.SiLU(),
        nn.Linear(narrow, 1),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
    against = torch.cat(list(belonging))
    for turn in range(_ROUNDS):
        if turn >= _EASY_ROUNDS:
            against = _hardest(net, belonging)
        net.train()
        for _ in range(_STEPS):
            odd = net(foreign[torch.randint(0, len(foreign), (_BATCH,))])
            even = net(against[torch.randint(0, len(against), (_BATCH,))])
            loss = nn.functional.softplus(-odd).mean() + nn.functional.softplus(even).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return net.eval()


def _hardest(net: nn.Sequential, belonging: Sequence[Tensor]) -> Tensor:
    net.eval()
    with torch.no_grad():
        return torch.cat([part[net(part)[:, 0].topk(min(_HARD, len(part))).indices] for part in belonging])


def _tensor(values: Values) -> Tensor:
    return torch.from_numpy(values).to(torch.float32)
