"""Meso4 and MesoInception4 in PyTorch, with the weights that their authors trained in Keras.

Source: D. Afchar, V. Nozick, J. Yamagishi, I. Echizen, MesoNet: a Compact Facial Video Forgery Detection Network, WIFS
2018, https://arxiv.org/abs/1809.00888.
"""

import re
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

SIDE = 256
"""Pixels of a face crop, height and width."""

_KERAS_EPSILON = 1e-3  # of a batch normalisation; PyTorch's own is 1e-5


class _Stage(nn.Module):
    """Convolutions, ReLU, normalisation and pooling, in the order of Keras' example: normalised after the ReLU."""

    def __init__(self, convolutions: nn.Module, channels: int, pool: int) -> None:
        super().__init__()
        self.convolutions = convolutions
        self.normal = nn.BatchNorm2d(channels, eps=_KERAS_EPSILON)
        self._pool = pool

    def forward(self, maps: Tensor) -> Tensor:
        activated = functional.relu(self.convolutions(maps))
        return functional.max_pool2d(self.normal(activated), self._pool)


class _Inception(nn.Module):
    """Four branches side by side: 1 by 1, and 1 by 1 followed by 3 by 3 with dilation 1, 2 and 3."""

    def __init__(self, channels: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.plain = nn.Conv2d(channels, widths[0], 1)
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, width, 1),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation),
            )
            for dilation, width in enumerate(widths[1:], start=1)
        )

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([self.plain(maps), *(branch(maps) for branch in self.branches)], dim=1)


class MesoNet(nn.Module):
    """A face crop to the logit of its being real. Make it with `meso4` or `meso_inception4`."""

    def __init__(self, stages: list[_Stage]) -> None:
        super().__init__()
        self.stages = nn.Sequential(*stages)
        self.hidden = nn.Linear(1024, 16)
        self.real = nn.Linear(16, 1)

    def forward(self, crops: Tensor) -> Tensor:
        """crops: float (N, 3, 256, 256), RGB, 0..1. Returns float (N,), the logit of `real`."""
        features = self.stages(crops)
        flat = features.permute(0, 2, 3, 1).flatten(1)  # Keras counts height, width, channel
        logits: Tensor = self.real(functional.leaky_relu(self.hidden(flat), 0.1))
        return logits[:, 0]


def meso4() -> MesoNet:
    """Four plain convolutions, 27,977 trained values."""
    return MesoNet([_Stage(nn.Conv2d(3, 8, 3, padding=1), 8, 2), _Stage(nn.Conv2d(8, 8, 5, padding=2), 8, 2), *_end(8)])


def meso_inception4() -> MesoNet:
    """The first two convolutions replaced by inception blocks."""
    return MesoNet([_Stage(_Inception(3, (1, 4, 4, 2)), 11, 2), _Stage(_Inception(11, (2, 4, 4, 2)), 12, 2), *_end(12)])


def _end(channels: int) -> list[_Stage]:
    return [
        _Stage(nn.Conv2d(channels, 16, 5, padding=2), 16, 2),
        _Stage(nn.Conv2d(16, 16, 5, padding=2), 16, 4),
    ]


def load_keras(network: MesoNet, path: Path) -> None:
    """Fill a network from the HDF5 file of Keras' `save_weights`. Nothing in the file is executed.

    Layers pair by kind, in the order of the number in their names: parallel branches lie interleaved in the file.
    Raises OSError where it is no such file or holds another network.
    """
    with h5py.File(path, "r") as file:
        layers = {name: _arrays(file[name]) for name in file}
    try:
        for keras, kind, renamed in _KINDS:
            _fill(network, kind, _numbered(layers, keras), renamed)
    except (KeyError, RuntimeError, ValueError) as error:
        raise OSError(f"{path} does not hold the weights of this network: {error}") from error


Arrays = dict[str, NDArray[np.float32]]

# Keras' name of a layer, PyTorch's class, and PyTorch's name of each array.
_KINDS: tuple[tuple[str, type[nn.Module], dict[str, str]], ...] = (
    ("conv2d", nn.Conv2d, {"kernel": "weight", "bias": "bias"}),
    (
        "batch_normalization",
        nn.BatchNorm2d,
        {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"},
    ),
    ("dense", nn.Linear, {"kernel": "weight", "bias": "bias"}),
)


def _arrays(layer: object) -> Arrays:
    """The arrays of a layer by their last name, such as kernel."""
    found: Arrays = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name.rpartition("/")[2].partition(":")[0]] = np.asarray(item, dtype=np.float32)

    if isinstance(layer, h5py.Group):
        layer.visititems(visit)
    return found


def _numbered(layers: dict[str, Arrays], kind: str) -> list[Arrays]:
    """The layers of a kind, in the order in which they were made."""
    numbers = {name: re.fullmatch(rf"{kind}_(\d+)", name) for name in layers}
    return [layers[name] for _, name in sorted((int(found[1]), name) for name, found in numbers.items() if found)]


def _fill(network: nn.Module, kind: type[nn.Module], layers: list[Arrays], renamed: dict[str, str]) -> None:
    modules = [module for module in network.modules() if isinstance(module, kind)]
    for module, layer in zip(modules, layers, strict=True):
        values = {ours: _turned(layer[theirs]) for theirs, ours in renamed.items()}
        if kind is nn.BatchNorm2d:
            values["num_batches_tracked"] = torch.tensor(0)
        module.load_state_dict(values)


def _turned(array: NDArray[np.float32]) -> Tensor:
    """Kernels are (height, width, in, out) there and (out, in, height, width) here; matrices are transposed."""
    return torch.from_numpy(np.ascontiguousarray(array.transpose((3, 2, 0, 1)) if array.ndim == 4 else array.T))
