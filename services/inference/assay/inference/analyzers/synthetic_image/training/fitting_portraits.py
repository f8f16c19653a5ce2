"""Training the networks that judge portraits."""

import io
import time
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from assay.inference.analyzers.synthetic_image.portraits import Expert, Gate, Portraits
from assay.inference.analyzers.synthetic_image.training import repositories
from assay.inference.analyzers.synthetic_image.training.listing import first_of_each, read_list
from assay.inference.analyzers.synthetic_image.training.portraying import PAIRS, Portrait, drawn, read_portraits

SEED = 7
STEPS = 1600
BATCH = 24
OTHERS = (
    *("cameras", "coco-imagenet", "daily-ai", "daily-real", "diffusion-512", "game-2025-ai", "game-2025-real"),
    *("gemini-720", "pairs-ai", "pairs-real", "sd1", "stock-1080", "unsplash-720", "urban100"),
)
"""Sources of pictures that are mostly no portraits."""

SHARES = ((0.26, 0.26, 0.16, 0.16, 0.08, 0.08), (0.175, 0.175, 0.285, 0.285, 0.04, 0.04))
"""Share of draws of each source of PAIRS, made and real, of both rounds: the second has more of what is harder. Both
classes of a pair are drawn alike, so that size and compression tell nothing."""
SIZES = ((256, 400, 5), (262, 380, 9))

_RATE, _DECAY, _WARM = 2e-3, 2e-2, 0.15
_SMOOTHED = 0.02
_TOLD_EVERY = 100
_SEEN, _THUMBNAIL = 96, 48
_STEPS_OF_GATE = (500, 700)
_LOOKS_LIKE_ONE = 0.35


def train_portraits(weights: Path) -> None:
    """Train the gate, and the expert in two rounds whose weights are averaged; write them in half precision."""
    portraits = Portraits()
    portraits.gate = fit_gate()
    first = fit_expert(0, None)
    second = fit_expert(1, first)
    portraits.expert.load_state_dict(averaged(first.state_dict(), second.state_dict()))
    tensors = portraits.state_dict().items()
    save_file(
        {name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous() for name, tensor in tensors},
        weights,
    )


def averaged(first: dict[str, Tensor], second: dict[str, Tensor]) -> dict[str, Tensor]:
    """The mean of two sets of weights of one network, trained one from the other."""
    return {
        name: (tensor + second[name]) / 2 if tensor.is_floating_point() else tensor for name, tensor in first.items()
    }


def fit_expert(round_number: int, begun: Expert | None, *, steps: int = STEPS) -> Expert:
    """One round, from a trained network or from none. The same numbers give the same network on the same machine."""
    portraits = [one for one in read_portraits(*SIZES[round_number]) if not one.held_out]
    chances = _chances(portraits, SHARES[round_number])
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    network = Expert().to(memory_format=torch.channels_last)
    if begun is not None:
        network.load_state_dict(begun.state_dict())
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=STEPS, pct_start=_WARM)
    started, losses = time.monotonic(), []
    for step in range(1, steps + 1):
        chosen = [portraits[number] for number in rng.choice(len(portraits), BATCH, p=chances)]
        pixels = torch.from_numpy(np.stack([drawn(one, rng) for one in chosen])).permute(0, 3, 1, 2)
        made = torch.tensor([float(one.synthetic) for one in chosen])
        # half precision: half of the time where the processor has it
        with torch.autocast("cpu", dtype=torch.bfloat16):
            odds = network(pixels)
        loss = nn.functional.binary_cross_entropy_with_logits(odds.float(), made * (1 - 2 * _SMOOTHED) + _SMOOTHED)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % _TOLD_EVERY == 0:
            print(f"step {step}: loss {np.mean(losses):.3f}, {time.monotonic() - started:.0f} s", flush=True)
            losses.clear()
    return network.eval()


def _chances(portraits: list[Portrait], shares: tuple[float, ...]) -> NDArray[np.float64]:
    names = [name for pair in PAIRS for name in pair]
    count = {name: sum(one.source == name for one in portraits) for name in names}
    share = dict(zip(names, shares, strict=True))
    chances = np.array([share[one.source] / count[one.source] for one in portraits])
    return np.asarray(chances / chances.sum(), dtype=np.float64)


def fit_gate() -> Gate:
    """Train on thumbnails of portraits and of other pictures; then again without those others that look like one."""
    faces = {name for pair in PAIRS for name in pair}
    thumbnails, sources = _thumbnails(faces | set(OTHERS))
    is_face = np.array([source in faces for source in sources])
    chances = np.where(is_face, 0.4 / is_face.sum(), 0.6 / (~is_face).sum())
    gate = _gate(thumbnails, is_face, chances, _STEPS_OF_GATE[0])
    with torch.inference_mode():
        chance = torch.cat([torch.sigmoid(gate(_seen(part))) for part in torch.split(thumbnails, 256)]).numpy()
    chances[~is_face & (chance > _LOOKS_LIKE_ONE)] = 0
    return _gate(thumbnails, is_face, chances, _STEPS_OF_GATE[1])


def _thumbnails(names: set[str]) -> tuple[Tensor, list[str]]:
    """uint8 (N, 3, 96, 96) of the whole pictures, whatever their shape, and their sources."""
    listed = [one for one in read_list() if one.source in names]
    found, sources = [], []
    for repository, ones in groupby(first_of_each(listed, len(listed)), key=lambda one: one.repository):
        with repositories.open_blobs(repository.replace("/", "+")) as blobs:
            for one in ones:
                image = Image.open(io.BytesIO(blobs.read(one.blob)))
                image.draft("RGB", (640, 640))
                small = image.convert("RGB").resize((_SEEN, _SEEN), Image.Resampling.BOX, reducing_gap=2.0)
                found.append(np.asarray(small))
                sources.append(one.source)
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2), sources


def _gate(thumbnails: Tensor, is_face: NDArray[np.bool_], chances: NDArray[np.float64], steps: int) -> Gate:
    torch.manual_seed(SEED)
    gate = Gate()
    optimizer = torch.optim.AdamW(gate.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2 * _RATE, total_steps=steps)
    for _ in range(steps):
        numbers = torch.multinomial(torch.from_numpy(chances), 64, replacement=True)
        pixels = torch.cat([_varied(thumbnails[number : number + 1]) for number in numbers.tolist()])
        target = torch.from_numpy(is_face[numbers.numpy()]).float() * (1 - 2 * _SMOOTHED) + _SMOOTHED
        loss = nn.functional.binary_cross_entropy_with_logits(gate(pixels), target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return gate.eval()


def _seen(thumbnails: Tensor) -> Tensor:
    return nn.functional.interpolate(thumbnails.float(), (_THUMBNAIL, _THUMBNAIL), mode="area")


def _varied(thumbnail: Tensor) -> Tensor:
    """Cropped, stretched, mirrored, in other colours or none."""
    height = int(torch.randint(72, _SEEN + 1, (1,)))
    width = int(min(_SEEN, max(60, height * (0.85 + 0.3 * float(torch.rand(1))))))
    top, left = int(torch.randint(0, _SEEN - height + 1, (1,))), int(torch.randint(0, _SEEN - width + 1, (1,)))
    pixels = _seen(thumbnail[..., top : top + height, left : left + width])
    if torch.rand(1) < 0.5:
        pixels = pixels.flip(3)
    if torch.rand(1) < 0.3:
        pixels = pixels.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    contrast, light = 0.7 + 0.6 * torch.rand(1), 40 * (torch.rand(1) - 0.5)
    return ((pixels - 128) * contrast + 128 + light + 10 * torch.randn(1, 3, 1, 1)).clamp(0, 255)
