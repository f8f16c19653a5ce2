"""Portraits: is the picture one, and did StyleGAN2 make it?

Sources: Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020 (the generator); Izmailov et
al., "Averaging weights leads to wider optima and better generalization", UAI 2018 (the expert's weights are averaged).
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from assay.inference.analyzers.synthetic_image.traces import Residual, differences, layer
from assay.inference.analyzers.synthetic_image.weights import read_into

IS_PORTRAIT = 0.5
"""Chance from which a picture is judged as a portrait."""

_THUMBNAIL = 48
_WIDTHS = (24, 40, 72, 112, 128)
_STEP, _FARTHEST = 3.0, 2.0
_CELL, _LARGEST = 32, 288


class Gate(nn.Module):
    """Log-odds that a picture is a close-up portrait. forward: (N, 3, 48, 48), 0..255, to (N,)."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 48, 64)
        self.body = nn.Sequential(*(layer(of, to, stride=2) for of, to in pairwise(widths)))
        self.dropped = nn.Dropout(0.2)
        self.out = nn.Linear(9 * widths[-1], 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """See the class."""
        return self.out(self.dropped(self.body((pixels.float() - 128) / 64).flatten(1)))[:, 0]  # type: ignore[no-any-return]


class Expert(nn.Module):
    """Log-odds that StyleGAN2 made a portrait, learned from truncated differences and from the pixels.

    forward(pixels): uint8 (N, 3, H, W), RGB, H and W multiples of 32. Returns float32 (N,), not calibrated. Traces are
    read at an eighth of the resolution, what the face looks like at a thirty-second.
    """

    differences: Tensor

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d, e = _WIDTHS
        self.register_buffer("differences", differences() / _STEP, persistent=False)
        self.fine = nn.Sequential(
            layer(len(self.differences) + 12, a, side=1),
            layer(a, a),
            layer(a, b, stride=2),
            Residual(b),
            layer(b, c, stride=2),
            Residual(c),
        )
        self.coarse = nn.Sequential(layer(c, d, stride=2), Residual(d), layer(d, e, stride=2))
        self.dropped = nn.Dropout(0.3)
        self.out = nn.Linear(2 * c + 2 * e, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """See the class."""
        values = pixels.float()
        padded = nn.functional.pad(values, (1, 1, 1, 1), mode="reflect").contiguous(memory_format=torch.channels_last)
        # half precision would round the pixels
        with torch.autocast(pixels.device.type, enabled=False):
            seen = nn.functional.conv2d(padded, self.differences, stride=2).clamp(-_FARTHEST, _FARTHEST)
        seen = torch.cat((seen, nn.functional.pixel_unshuffle((values - 128) / 64, 2)), 1)
        fine = self.fine(seen.contiguous(memory_format=torch.channels_last))
        coarse = self.coarse(fine).float()
        fine = fine.float()
        pooled = torch.cat((fine.mean((2, 3)), fine.amax((2, 3)), coarse.mean((2, 3)), coarse.amax((2, 3))), 1)
        return self.out(self.dropped(pooled))[:, 0]  # type: ignore[no-any-return]


class Portraits(nn.Module):
    """Both, on pictures made small by `whole`."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()
        self.expert = Expert().to(memory_format=torch.channels_last)

    def chances(self, wholes: Sequence[NDArray[np.uint8]], device: str = "cpu") -> list[float]:
        """That each is a close-up portrait, 0..1. wholes: uint8 (h, w, 3), of any size; they go through together."""
        size = (_THUMBNAIL, _THUMBNAIL)
        small = [nn.functional.interpolate(_batched(whole, device).float(), size, mode="area") for whole in wholes]
        return torch.sigmoid(self.gate(torch.cat(small))).tolist() if small else []

    def log_odds(self, whole: NDArray[np.uint8], device: str = "cpu") -> float:
        """That StyleGAN2 made this portrait, not calibrated; its middle is looked at, up to 288 pixels each way."""
        height, width = (min(side // _CELL * _CELL, _LARGEST) for side in whole.shape[:2])
        top, left = (whole.shape[0] - height) // 2, (whole.shape[1] - width) // 2
        return float(self.expert(_batched(whole[top : top + height, left : left + width], device))[0])


def _batched(pixels: NDArray[np.uint8], device: str) -> Tensor:
    return torch.from_numpy(np.array(pixels)).to(device)[None].permute(0, 3, 1, 2)


def load_portraits(path: Path, device: str) -> Portraits:
    """The trained networks. Raises OSError where the file does not hold their tensors."""
    portraits = Portraits()
    read_into(portraits, path)
    return portraits.to(device)
