"""The network: small perceptrons on fixed statistics of a crop, and a convolutional network on its pixels."""

from pathlib import Path

import torch
from torch import Tensor, nn

from assay.inference.analyzers.synthetic_image.statistics import Statistics
from assay.inference.analyzers.synthetic_image.traces import Traces
from assay.inference.analyzers.synthetic_image.weights import read_into

VOTERS = 2
HIDDEN = 256
_FARTHEST = 5.0


class Voter(nn.Module):
    """A perceptron with one hidden layer. forward: standardised features (N, F) to log-odds (N,)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.dropped_inputs = nn.Dropout(0.1)
        self.hidden = nn.Linear(features, HIDDEN)
        self.norm = nn.LayerNorm(HIDDEN)
        self.dropped = nn.Dropout(0.2)
        self.out = nn.Linear(HIDDEN, 1)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        hidden = nn.functional.gelu(self.norm(self.hidden(self.dropped_inputs(features))))
        return self.out(self.dropped(hidden))[:, 0]  # type: ignore[no-any-return]


def weighed(voted: Tensor, traced: Tensor) -> Tensor:
    """What both networks say together: two thirds the voters' mean, one third the traces, which spread twice as far."""
    return (2 * voted + traced) / 3


class Network(nn.Module):
    """Log-odds that a crop was made by a generator.

    forward(pixels): uint8 (N, 3, 128, 128), RGB, at native resolution. Returns float32 (N,), log-odds that are not
    calibrated, of voters and traces `weighed`. Deterministic.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, voters: int = VOTERS) -> None:
        super().__init__()
        self.statistics = Statistics()
        self.register_buffer("mean", torch.zeros(self.statistics.size))
        self.register_buffer("scale", torch.ones(self.statistics.size))
        self.voters = nn.ModuleList(Voter(self.statistics.size) for _ in range(voters))
        self.traces = Traces().to(memory_format=torch.channels_last)

    def standardised(self, features: Tensor) -> Tensor:
        """Features in units of their spread over the training crops, (N, F)."""
        return ((features - self.mean) / self.scale).clamp(-_FARTHEST, _FARTHEST)

    def voted(self, features: Tensor) -> Tensor:
        """The voters' mean log-odds, from statistics (N, F)."""
        standardised = self.standardised(features)
        return torch.stack([voter(standardised) for voter in self.voters]).mean(0)

    def forward(self, pixels: Tensor) -> Tensor:
        """See the class."""
        return weighed(self.voted(self.statistics(pixels)), self.traces(pixels))


def load_network(path: Path, device: str) -> Network:
    """The trained network. Raises OSError where the file does not hold its tensors."""
    network = Network()
    read_into(network, path)
    network.traces.fuse()
    if device == "cpu":
        network.traces.halve()
    return network.to(device)
