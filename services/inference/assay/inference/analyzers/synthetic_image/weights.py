"""Reading trained weights into a network."""

from pathlib import Path

from safetensors.torch import load_file
from torch import nn


def read_into(network: nn.Module, path: Path) -> None:
    """Fill a network, ready to judge. Raises OSError where the file does not hold its tensors."""
    tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise OSError(f"{path.name} does not hold this network's weights: {error}") from error
    network.eval()
