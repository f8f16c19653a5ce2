"""Training the convolutional network on pixels of crops."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from assay.inference.analyzers.synthetic_image.traces import Traces
from assay.inference.analyzers.synthetic_image.training.examples import ALIGNED, WAYS, made_of, passes

Rows = Sequence[dict[str, str]]

BATCH = 48
_RATE = 1.5e-3
_WARM = 0.1
_DECAY = 1e-2
_SMOOTHED = 0.02
_TOLD_EVERY = 500


class Crops:
    """The crops of all passes of a split as one array on disk, in the order of `read_rows`."""

    def __init__(self, folder: Path, split: str) -> None:
        self._arrays = [np.load(path, mmap_mode="r") for path in passes(folder, split)]
        self._ends = np.cumsum([len(array) for array in self._arrays])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, numbers: NDArray[np.int64]) -> Tensor:
        """uint8 (N, 3, 128, 128)."""
        which = np.searchsorted(self._ends, numbers, side="right")
        begins = self._ends - [len(array) for array in self._arrays]
        crops = [self._arrays[array][number - begins[array]] for array, number in zip(which, numbers, strict=True)]
        return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)


def fit_traces(crops: Crops, rows: Rows, weights: NDArray[np.float64], *, seed: int, steps: int) -> Traces:
    """Train on crops drawn by their weights, turned and mirrored. The same seed gives the same network.

    Drawn are unchanged squares, and photos together with their reconstructions: what the two share then says nothing.
    Those that went through a strong chain come in the second half only; begun with them, it does not learn in time.
    Pictures of `build` are not drawn: their traces are too weak for it, the voters see them.
    """
    torch.manual_seed(seed)
    network = Traces().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps, pct_start=_WARM)
    target = torch.from_numpy(made_of(rows)) * (1 - 2 * _SMOOTHED) + _SMOOTHED
    aligned = np.array([row["kind"] == ALIGNED for row in rows])
    chances = torch.from_numpy(weights * np.array([row["kind"] != WAYS for row in rows]))
    mild_chances = chances * torch.from_numpy(~aligned | np.array([row["mild"] == "1" for row in rows]))
    started, losses = time.monotonic(), []
    for step in range(1, steps + 1):
        drawn = torch.multinomial(mild_chances if step <= steps // 2 else chances, BATCH, replacement=True).numpy()
        drawn = np.concatenate((drawn, _partners(rows, drawn[aligned[drawn]])))
        # half precision: half of the time where the processor has it
        with torch.autocast("cpu", dtype=torch.bfloat16):
            odds = network(_turned(crops[drawn], step % 8))
        loss = nn.functional.binary_cross_entropy_with_logits(odds.float(), target[drawn])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % _TOLD_EVERY == 0:
            print(f"step {step}: loss {np.mean(losses):.3f}, {time.monotonic() - started:.0f} s", flush=True)
            losses.clear()
    return network.eval()


def _partners(rows: Rows, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """The other halves: `align` writes a photo, then its reconstruction."""
    return np.array([number + 1 if rows[number]["synthetic"] == "0" else number - 1 for number in drawn], np.int64)


def _turned(pixels: Tensor, how: int) -> Tensor:
    """One of the eight ways to turn and mirror squares."""
    if how & 1:
        pixels = pixels.flip(2)
    if how & 2:
        pixels = pixels.flip(3)
    return pixels.transpose(2, 3) if how & 4 else pixels


def traces_of(network: Traces, crops: Crops, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    """Log-odds of the crops of these numbers."""
    found = []
    with torch.inference_mode():
        for first in range(0, len(numbers), BATCH):
            found.append(network(crops[numbers[first : first + BATCH]]).numpy())
    return np.concatenate(found)
