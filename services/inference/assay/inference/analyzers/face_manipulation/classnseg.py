"""The Y-shaped autoencoder that classifies and segments: encoder for the score, decoder for a mask to look at.

Source: H. H. Nguyen, F. Fang, J. Yamagishi, I. Echizen, Multi-task Learning for Detecting and Segmenting Manipulated
Facial Images and Videos, BTAS 2019, https://arxiv.org/abs/1906.06876.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

SIDE = 256
"""Pixels of a face crop, height and width."""

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_ENCODER = ((3, 8, 1), (8, 8, 2), (8, 16, 1), (16, 16, 2), (16, 32, 1), (32, 32, 2), (32, 64, 1), (64, 64, 2))
_SHARED = ((128, 64, 1), (64, 64, 2), (64, 32, 1), (32, 32, 2))
_HEAD = ((32, 16, 1), (16, 16, 2), (16, 8, 1), (8, 8, 2))
_HALF = 64


class Encoder(nn.Module):
    """A face crop to 128 maps, of which the first half answers to altered faces and the second to original ones."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*_down((*_ENCODER, (64, 128, 1))))

    def forward(self, crops: Tensor) -> Tensor:
        """crops: float (N, 3, 256, 256), RGB, 0..1. Returns float (N, 128, 16, 16)."""
        mean, deviation = (crops.new_tensor(values)[:, None, None] for values in (_MEAN, _DEVIATION))
        maps: Tensor = self.encoder((crops - mean) / deviation)
        return maps


class Decoder(nn.Module):
    """The maps to a mask. The head that rebuilds the picture is there for its weights only."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Sequential(*_up(_SHARED))
        self.segmenter = nn.Sequential(*_up(_HEAD), _transposed(8, 2, 1), nn.Softmax(dim=1))
        self.decoder = nn.Sequential(*_up(_HEAD), _transposed(8, 3, 1), nn.Tanh())

    def forward(self, maps: Tensor) -> Tensor:
        """maps: float (N, 128, 16, 16), as the encoder gives them. Returns float (N, 256, 256), 0..1, manipulated.

        As in training, the half of the class that is not chosen is set to zero: here the stronger one is kept.
        """
        altered, original = maps[:, :_HALF], maps[:, _HALF:]
        chosen = (altered.abs().mean((1, 2, 3)) > original.abs().mean((1, 2, 3)))[:, None, None, None]
        kept = torch.cat([altered * chosen, original * ~chosen], dim=1)
        mask: Tensor = self.segmenter(self.shared(kept))
        return mask[:, 1]


def altered(maps: Tensor) -> Tensor:
    """How much stronger the half for altered faces answers. Returns float (N,); 0 is the authors' limit."""
    strength = maps.reshape(len(maps), 2, -1).abs().mean(2)
    return strength[:, 0] - strength[:, 1]


def _down(layers: tuple[tuple[int, int, int], ...]) -> Iterator[nn.Module]:
    for before, after, stride in layers:
        yield nn.Conv2d(before, after, 3, stride=stride, padding=1)
        yield nn.BatchNorm2d(after)
        yield nn.ReLU()


def _up(layers: tuple[tuple[int, int, int], ...]) -> Iterator[nn.Module]:
    for before, after, stride in layers:
        yield _transposed(before, after, stride)
        yield nn.BatchNorm2d(after)
        yield nn.ReLU()


def _transposed(before: int, after: int, stride: int) -> nn.Module:
    return nn.ConvTranspose2d(before, after, 3, stride=stride, padding=1, output_padding=stride - 1)
