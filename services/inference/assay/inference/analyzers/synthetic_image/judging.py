"""Crops through the network, and what is concluded of their scores."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from assay.inference.analyzers.synthetic_image.conclusion import Measured, Portrait, conclude
from assay.inference.analyzers.synthetic_image.crops import SIDE
from assay.inference.analyzers.synthetic_image.looking import JUDGED, View
from assay.inference.analyzers.synthetic_image.network import load_network
from assay.inference.analyzers.synthetic_image.portraits import IS_PORTRAIT, load_portraits
from assay.sdk import Finding

_CHUNK = 24


class Judge:
    """The networks on their device. portraits: weights of those for portraits; without them nothing is one."""

    def __init__(self, weights: Path, device: str, portraits: Path | None = None) -> None:
        self._network = load_network(weights, device)
        self._portraits = load_portraits(portraits, device) if portraits else None
        self._device = device

    def warm_up(self) -> None:
        """Run once on a made-up crop."""
        self.log_odds(np.zeros((1, SIDE, SIDE, 3), np.uint8))

    def findings(self, batch: Sequence[View]) -> list[Finding]:
        """One for each view: all crops of the batch go through the network together."""
        if not batch:
            return []
        parts = [crops for view in batch for crops in (view.crops[:JUDGED], view.saved)]
        ends = np.cumsum([len(crops) for crops in parts])
        scores = np.split(self.log_odds(np.concatenate(parts)), ends[:-1])
        return [
            conclude(measured(view, as_is, saved, portrait))
            for view, as_is, saved, portrait in zip(
                batch, scores[::2], scores[1::2], self.portraits(batch), strict=True
            )
        ]

    def portraits(self, batch: Sequence[View]) -> list[Portrait | None]:
        """What the networks for portraits say of each; None where the picture is not looked at whole."""
        looked = [number for number, view in enumerate(batch) if view.whole.size]
        found: list[Portrait | None] = [None] * len(batch)
        if self._portraits is None:
            return found
        with torch.inference_mode():
            chances = self._portraits.chances([batch[number].whole for number in looked], self._device)
            for number, chance in zip(looked, chances, strict=True):
                is_one = chance >= IS_PORTRAIT
                log_odds = self._portraits.log_odds(batch[number].whole, self._device) if is_one else None
                found[number] = Portrait(chance, log_odds)
        return found

    def log_odds(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Of each crop (N, 128, 128, 3), not calibrated."""
        found = [np.zeros(0, np.float32)]
        with torch.inference_mode():
            for first in range(0, len(crops), _CHUNK):
                pixels = torch.from_numpy(np.array(crops[first : first + _CHUNK])).to(self._device)
                found.append(self._network(pixels.permute(0, 3, 1, 2)).cpu().numpy())
        return np.concatenate(found)


def measured(
    view: View, log_odds: NDArray[np.float32], saved: NDArray[np.float32], portrait: Portrait | None = None
) -> Measured:
    """What the conclusion rests on. log_odds, saved: of the deciding crops, and of the same after compression."""
    return Measured(
        size=view.size,
        places=view.places[: len(log_odds)],
        log_odds=tuple(round(float(score), 4) for score in log_odds),
        detail=detail_of(view.crops[:JUDGED]),
        period=view.period,
        saved=round(float(saved.mean()), 4) if len(saved) else None,
        portrait=portrait,
    )


def detail_of(crops: NDArray[np.uint8]) -> float:
    """How much neighbouring pixels differ, in natural logarithms of gray levels; the mean over crops."""
    if not len(crops):
        return float("-inf")
    green = crops[..., 1].astype(np.int16)
    apart = np.abs(np.diff(green, axis=2)).mean(axis=(1, 2))
    return float(np.log(apart + 0.1).mean())
