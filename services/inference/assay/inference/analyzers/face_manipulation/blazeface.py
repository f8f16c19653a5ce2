"""BlazeFace, the front-camera face detector of MediaPipe, in PyTorch.

Source: V. Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs, 2019,
https://arxiv.org/abs/1907.05047. The weights are MediaPipe's, with single blocks instead of the paper's double ones.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 128
"""Pixels of the square that it looks at."""

ANCHORS = 896

_COORDINATES = 16  # a box and six points, of which the box is used
_SCORE_LIMIT = 100.0


class _Block(nn.Module):
    """A depthwise and a pointwise convolution beside a shortcut, which is filled up with empty maps."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self._stride = stride
        self._more = after - before
        self.convs = nn.Sequential(
            nn.Conv2d(before, before, 3, stride=stride, padding=1 if stride == 1 else 0, groups=before),
            nn.Conv2d(before, after, 1),
        )

    def forward(self, maps: Tensor) -> Tensor:
        shortcut = maps
        if self._stride == 2:
            shortcut = functional.max_pool2d(maps, 2)
            maps = functional.pad(maps, (0, 2, 0, 2))  # as TensorFlow pads: nothing before, all behind
        shortcut = functional.pad(shortcut, (0, 0, 0, 0, 0, self._more))
        return functional.relu(self.convs(maps) + shortcut)


class BlazeFace(nn.Module):
    """Squares of a picture to boxes and scores. `load_anchors` comes before the first use."""

    def __init__(self) -> None:
        super().__init__()
        widths = (24, 24, 28, (32, 2), 36, 42, (48, 2), 56, 64, 72, 80, 88)
        self.backbone1 = nn.Sequential(nn.Conv2d(3, 24, 5, stride=2), nn.ReLU(), *_blocks(24, widths[1:]))
        self.backbone2 = nn.Sequential(*_blocks(88, ((96, 2), 96, 96, 96, 96)))
        self.classifier_8, self.classifier_16 = nn.Conv2d(88, 2, 1), nn.Conv2d(96, 6, 1)
        self.regressor_8, self.regressor_16 = nn.Conv2d(88, 32, 1), nn.Conv2d(96, 96, 1)
        self.register_buffer("anchors", torch.zeros(ANCHORS, 4), persistent=False)
        self.anchors: Tensor

    def load_anchors(self, path: Path) -> None:
        """Read the table of anchors. Raises OSError where it is another one."""
        table = np.load(path, allow_pickle=False)
        if table.shape != (ANCHORS, 4):
            raise OSError(f"{path} has the shape {table.shape}, not {(ANCHORS, 4)}")
        self.anchors = torch.from_numpy(table.astype(np.float32)).to(self.anchors.device)

    def forward(self, squares: Tensor) -> tuple[Tensor, Tensor]:
        """squares: float (N, 3, 128, 128), RGB, 0..255.

        Returns boxes (N, 896, 4), left, top, right, bottom in shares of the square, and scores (N, 896), 0..1.
        """
        fine = self.backbone1(functional.pad(squares / 127.5 - 1.0, (1, 2, 1, 2)))
        coarse = self.backbone2(fine)
        scores = torch.cat([_rows(self.classifier_8(fine), 1), _rows(self.classifier_16(coarse), 1)], 1)
        raw = torch.cat(
            [_rows(self.regressor_8(fine), _COORDINATES), _rows(self.regressor_16(coarse), _COORDINATES)], 1
        )
        centre = raw[..., :2] / SIDE * self.anchors[:, 2:] + self.anchors[:, :2]
        half = raw[..., 2:4] / SIDE * self.anchors[:, 2:] / 2.0
        limited = scores[..., 0].clamp(-_SCORE_LIMIT, _SCORE_LIMIT)
        return torch.cat([centre - half, centre + half], 2), limited.sigmoid()


def _blocks(channels: int, widths: tuple[int | tuple[int, int], ...]) -> list[nn.Module]:
    blocks: list[nn.Module] = []
    for each in widths:
        width, stride = each if isinstance(each, tuple) else (each, 1)
        blocks.append(_Block(channels, width, stride))
        channels = width
    return blocks


def _rows(maps: Tensor, values: int) -> Tensor:
    """(N, anchors * values, H, W) to (N, H * W * anchors, values)."""
    return maps.permute(0, 2, 3, 1).reshape(len(maps), -1, values)
