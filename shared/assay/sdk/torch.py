"""What analyzers that use torch have in common.

Torch is imported inside the functions: the processes that decode files import an analyzer's module too, and torch
takes seconds and half a gigabyte. An analyzer does the same, in `load` and `infer`.
"""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def load_weights(path: Path, device: str) -> "dict[str, Tensor]":
    """The tensors of a file by name, on the device: what `Module.load_state_dict` takes.

    path: .safetensors, or a file of `torch.save` that holds tensors only; nothing in it is executed.
    Raises OSError where it cannot be read or the package `safetensors` is missing, `pickle.UnpicklingError` where a
    file of `torch.save` holds more than tensors and plain containers.
    """
    if path.suffix == ".safetensors":
        try:
            from safetensors import SafetensorError
            from safetensors.torch import load_file
        except ImportError as error:
            raise OSError(f"{path.name} needs the package safetensors; install it beside the analyzer") from error
        try:
            return load_file(path, device=device)
        except SafetensorError as error:
            raise OSError(f"{path} is no safetensors file: {error}") from error
    import torch

    tensors: dict[str, Tensor] = torch.load(path, map_location=device, weights_only=True)
    return tensors


def to_device(tensors: "Sequence[Tensor]", device: str) -> "list[Tensor]":
    """The tensors on the device, in order.

    To CUDA the copy starts from pinned memory and does not wait; work that is queued after it on the same stream sees
    its end. Floats (N, C, H, W) become channels-last, which convolutions prefer. Send pictures as uint8 and make
    floats of them on the device: that is a quarter of the bytes.
    """
    import torch

    moved = []
    for tensor in tensors:
        if device.startswith("cuda") and tensor.device.type == "cpu":
            # The allocator of pinned memory keeps it until the copy is over.
            tensor = tensor.pin_memory().to(device, non_blocking=True)  # noqa: PLW2901
        else:
            tensor = tensor.to(device)  # noqa: PLW2901
        if tensor.dim() == 4 and tensor.is_floating_point():
            # Rearranged there, not here: the copy stays one piece.
            tensor = tensor.contiguous(memory_format=torch.channels_last)  # noqa: PLW2901
        moved.append(tensor)
    return moved


def autocast(device: str) -> AbstractContextManager[object]:
    """Around a network's forward pass: mixed precision (float16 where it is safe) on CUDA, nothing elsewhere.

    Make scores of logits outside of it, in float32. Scores then differ from the CPU's by about 0.001.
    """
    if not device.startswith("cuda"):
        return nullcontext()
    import torch

    return torch.autocast("cuda", dtype=torch.float16)


def gradients_off() -> AbstractContextManager[object]:
    """`torch.inference_mode()`, as around everything that the engine calls; nothing where torch is not imported."""
    mode = getattr(sys.modules.get("torch"), "inference_mode", None)
    return nullcontext() if mode is None else mode()
