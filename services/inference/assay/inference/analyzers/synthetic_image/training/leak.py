"""The proof against shortcuts: what a crop went through, and its picture's size, must not tell its class."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from assay.inference.analyzers.synthetic_image.training.chain import Passed
from assay.inference.analyzers.synthetic_image.training.examples import read_rows
from assay.inference.analyzers.synthetic_image.training.measures import auc

_STEPS = 800
_DRAWS = 6000
_SIZE = ("width", "height")


def leak(folder: Path) -> None:
    """Print the AUC of classifiers that see the facts of `Passed` of the training crops, not their pixels.

    Half of the pictures, by sha256, train them, the other half measures; rows are drawn as in training. The network
    gets squares of one size, so the size of the picture that they were cut from is more than it can see.
    """
    rows, weights = read_rows(folder, "train")
    made = np.array([float(row["synthetic"]) for row in rows], dtype=np.float32)
    first = np.array([int(row["sha256"], 16) % 2 == 0 for row in rows])
    names = [field.name for field in fields(Passed)]
    for title, chosen in (
        ("compression, scale, noise, blur", [name for name in names if name not in _SIZE]),
        ("the same and the picture's size", names),
    ):
        facts = np.array([[float(row[name]) for name in chosen] for row in rows], dtype=np.float32)
        score = _seen(facts, made, weights, first)
        print(f"{title}: AUC {score:.3f} on {_DRAWS} draws of pictures kept out")


def _seen(
    facts: NDArray[np.float32], made: NDArray[np.float32], weights: NDArray[np.float64], first: NDArray[np.bool_]
) -> float:
    facts = (facts - facts[first].mean(0)) / (facts[first].std(0) + 1e-6)
    torch.manual_seed(0)
    seer = nn.Sequential(nn.Linear(facts.shape[1], 32), nn.GELU(), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 1))
    optimizer = torch.optim.AdamW(seer.parameters(), lr=3e-3, weight_decay=1e-2)
    inputs, targets = torch.from_numpy(facts[first]), torch.from_numpy(made[first])
    chances = torch.from_numpy(weights[first])
    for _ in range(_STEPS):
        drawn = torch.multinomial(chances, 256, replacement=True)
        loss = nn.functional.binary_cross_entropy_with_logits(seer(inputs[drawn])[:, 0], targets[drawn])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    chance = weights[~first] / weights[~first].sum()
    kept_out = np.random.default_rng(0).choice(np.flatnonzero(~first), _DRAWS, p=chance)
    with torch.inference_mode():
        scores = seer(torch.from_numpy(facts[kept_out]))[:, 0].numpy()
    return auc(scores, made[kept_out])
