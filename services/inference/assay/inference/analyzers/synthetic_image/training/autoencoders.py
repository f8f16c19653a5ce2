"""Small autoencoders of image generators' latents, to send photos through.

A photo that was encoded and decoded again shows the same scene at the same size with the same compression before it,
but its pixels come from a generator's up-sampling decoder: the pair differs in nothing else. Sources: Rajan, Ojha,
Schloesser, Lee, "Aligned datasets improve detection of latent diffusion-generated images", ICLR 2025; Guillaro,
Zingarini, Usman, Sud, Cozzolino, Verdoliva, "A bias-free training paradigm for more general AI-generated image
detection", CVPR 2025.

The networks are madebyollin/taesd's (MIT), for the latents of Stable Diffusion 1, SDXL, Stable Diffusion 3, FLUX.1 and
FLUX.2. Their weights are not kept here: ASSAY_TRAINING_AUTOENCODERS names a folder with <name>_encoder and
<name>_decoder files, as safetensors or as torch's own format.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

VARIABLE = "ASSAY_TRAINING_AUTOENCODERS"
_WIDTH = 64


@dataclass(frozen=True)
class Kind:
    """One autoencoder: its name in file names, the depth of its latents, and whether its inner blocks see the whole."""

    name: str
    depth: int
    whole: bool = False


KINDS = (
    Kind("taesd", 4),
    Kind("taesdxl", 4),
    Kind("taesd3", 16),
    Kind("taef1", 16),
    Kind("taef2", 32, whole=True),
)


class _Block(nn.Module):
    """Three convolutions around a shortcut; `pool` lets it see the whole picture's statistics first."""

    def __init__(self, *, whole: bool) -> None:
        super().__init__()
        layers = [_conv(_WIDTH, _WIDTH), nn.ReLU(), _conv(_WIDTH, _WIDTH), nn.ReLU(), _conv(_WIDTH, _WIDTH)]
        self.conv = nn.Sequential(*layers)
        self.pool = _pool() if whole else None

    def forward(self, inputs: Tensor) -> Tensor:
        if self.pool is not None:
            inputs = inputs + self.pool(inputs)
        return torch.relu(self.conv(inputs) + inputs)


class _Bounded(nn.Module):
    """Latents far out are drawn in."""

    def forward(self, latents: Tensor) -> Tensor:
        return torch.tanh(latents / 3) * 3


def _conv(inputs: int, outputs: int, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=bias)


def _pool() -> nn.Sequential:
    wide = 4 * _WIDTH
    return nn.Sequential(
        nn.Conv2d(_WIDTH, wide, 1, bias=False), nn.GroupNorm(4, wide), nn.ReLU(), nn.Conv2d(wide, _WIDTH, 1, bias=False)
    )


def _encoder(kind: Kind) -> nn.Sequential:
    layers: list[nn.Module] = [_conv(3, _WIDTH), _Block(whole=False)]
    for halving in range(3):
        layers.append(_conv(_WIDTH, _WIDTH, stride=2, bias=False))
        layers += [_Block(whole=kind.whole and halving == 2) for _ in range(3)]
    return nn.Sequential(*layers, _conv(_WIDTH, kind.depth))


def _decoder(kind: Kind) -> nn.Sequential:
    layers: list[nn.Module] = [_Bounded(), _conv(kind.depth, _WIDTH), nn.ReLU()]
    for doubling in range(3):
        layers += [_Block(whole=kind.whole and doubling == 0) for _ in range(3)]
        layers += [nn.Upsample(scale_factor=2), _conv(_WIDTH, _WIDTH, bias=False)]
    return nn.Sequential(*layers, _Block(whole=False), _conv(_WIDTH, 3))


@cache
def _loaded(kind: Kind) -> tuple[nn.Sequential, nn.Sequential]:
    folder = os.environ.get(VARIABLE, "")
    if not folder or not Path(folder).is_dir():
        raise SystemExit(f"{VARIABLE} must name the folder with <name>_encoder and <name>_decoder files")
    pair = _encoder(kind), _decoder(kind)
    for part, network in zip(("encoder", "decoder"), pair, strict=True):
        network.load_state_dict(_tensors(Path(folder), f"{kind.name}_{part}"))
        network.eval().to(memory_format=torch.channels_last)
    return pair


def _tensors(folder: Path, stem: str) -> dict[str, Tensor]:
    for path in _candidates(folder, stem):
        tensors = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
        return {name: tensor.float() for name, tensor in tensors.items()}
    raise SystemExit(f"{VARIABLE}: neither {stem}.safetensors nor {stem}.pth lies in {folder}")


def _candidates(folder: Path, stem: str) -> Iterator[Path]:
    for suffix in (".safetensors", ".pth"):
        yield from sorted(folder.rglob(stem + suffix))


def reconstruct(kind: Kind, pixels: Tensor, *, seed: int) -> Tensor:
    """Encode and decode, with a little noise among the latents so that decodings vary.

    pixels: uint8 (N, 3, H, W), RGB, H and W multiples of 8. Returns the same shape and type.
    """
    encoder, decoder = _loaded(kind)
    generator = torch.Generator().manual_seed(seed)
    # half precision, as generators run
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        latents = encoder((pixels.float() / 255).contiguous(memory_format=torch.channels_last)).float()
        amount = torch.rand(len(pixels), 1, 1, 1, generator=generator) * 0.15
        drawn = torch.randn(latents.shape, generator=generator)
        decoded: Tensor = decoder(latents + amount * latents.std() * drawn).float()
    return (decoded.clamp(0, 1) * 255).round().to(torch.uint8)
