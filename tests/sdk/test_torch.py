"""The functions for analyzers that use torch, on the CPU, and on CUDA where it is."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from assay.sdk.torch import autocast, gradients_off, load_weights, to_device

DEVICES = ["cpu", *(["cuda:0"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["net.safetensors", "net.pt"])
def test_tensors_are_loaded_to_the_device(tmp_path: Path, name: str, device: str) -> None:
    tensors = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2, dtype=torch.float16)}
    path = tmp_path / name
    save_file(tensors, path) if path.suffix == ".safetensors" else torch.save(tensors, path)
    loaded = load_weights(path, device)
    assert loaded.keys() == tensors.keys()
    for key, tensor in loaded.items():
        assert str(tensor.device) == device
        assert torch.equal(tensor.cpu(), tensors[key])


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("import pathlib; pathlib.Path('executed').touch()",)


def test_nothing_in_a_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Evil()}, tmp_path / "net.pt")
    with pytest.raises(pickle.UnpicklingError):
        load_weights(tmp_path / "net.pt", "cpu")
    assert not (tmp_path / "executed").exists()


def test_a_damaged_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "net.safetensors").write_bytes(b"no tensors")
    with pytest.raises(OSError, match="no safetensors file"):
        load_weights(tmp_path / "net.safetensors", "cpu")


@pytest.mark.parametrize("device", DEVICES)
def test_tensors_arrive_with_pictures_as_channels_last(device: str) -> None:
    sent = [torch.rand(2, 3, 8, 6), torch.arange(4), torch.randint(0, 255, (2, 3, 8, 6), dtype=torch.uint8)]
    arrived = to_device(sent, device)
    assert [str(tensor.device) for tensor in arrived] == [device] * 3
    assert all(torch.equal(tensor.cpu(), other) for tensor, other in zip(arrived, sent, strict=True))
    assert arrived[0].is_contiguous(memory_format=torch.channels_last)
    assert arrived[2].is_contiguous()


@pytest.mark.parametrize("device", DEVICES)
def test_mixed_precision_is_for_cuda_alone(device: str) -> None:
    layer = torch.nn.Linear(4, 4).to(device)
    with autocast(device), gradients_off():
        out = layer(torch.rand(2, 4, device=device))
    assert out.dtype == (torch.float32 if device == "cpu" else torch.float16)
    assert out.is_inference()


def test_the_sdk_does_without_torch() -> None:
    program = (
        "import sys, assay.sdk.torch as t, assay.sdk.conformance\n"
        "with t.gradients_off(), t.autocast('cpu'): pass\n"
        "assert not {'torch', 'numpy', 'safetensors', 'pytest', 'structlog'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
