"""Training the voters on features of crops."""

import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from assay.inference.analyzers.synthetic_image.network import VOTERS, Network, weighed
from assay.inference.analyzers.synthetic_image.training.examples import ALIGNED, VIEWS, Examples, read_examples
from assay.inference.analyzers.synthetic_image.training.fitting_traces import Crops, fit_traces, traces_of
from assay.inference.analyzers.synthetic_image.training.measures import auc, by_picture, recall_at

SEED = 20261122
STEPS = 2500
STEPS_OF_TRACES = 6500
STEPS_LEFT_OUT = 350
LEAST_LEFT_OUT = 140
BATCH = 256
_RATE = 2e-3
_DECAY = 1e-2
_SMOOTHED = 0.02
_LEAST_SCALE = 1e-3


def fit(examples: Examples, *, seed: int = SEED, steps: int = STEPS, voters: int = VOTERS) -> Network:
    """Train all voters, each on its own draw of crops. The same seed gives the same network."""
    network = Network(voters)
    features, made = torch.from_numpy(examples.features), torch.from_numpy(examples.synthetic)
    network.mean.copy_(features.mean(0))
    network.scale.copy_(features.std(0).clamp(min=_LEAST_SCALE))
    chances = torch.from_numpy(examples.weights())
    for number, voter in enumerate(network.voters):
        torch.manual_seed(seed + number)
        for module in voter.modules():
            if isinstance(module, nn.Linear | nn.LayerNorm):
                module.reset_parameters()
        optimizer = torch.optim.AdamW(voter.parameters(), lr=_RATE, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
        for _ in range(steps):
            drawn = torch.multinomial(chances, BATCH, replacement=True)
            odds = voter(network.standardised(features[drawn]))
            target = made[drawn] * (1 - 2 * _SMOOTHED) + _SMOOTHED
            loss = nn.functional.binary_cross_entropy_with_logits(odds, target)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return network.eval()


def scores_of(network: Network, examples: Examples) -> NDArray[np.float32]:
    """The voters' log-odds of each crop."""
    with torch.inference_mode():
        return np.asarray(network.voted(torch.from_numpy(examples.features)).numpy())


def report(odds: NDArray[np.float32], rows: list[dict[str, str]], title: str) -> None:
    """Print the figures of a set, and those of each source against all of the other class. odds: of each crop."""
    scores, rows = by_picture(odds, rows)
    made = np.array([float(row["synthetic"]) for row in rows])
    print(
        f"{title}: {len(rows)} pictures, AUC {auc(scores, made):.3f}, at 1 % {recall_at(scores, made):.3f}", flush=True
    )
    for name in sorted({row["source"] for row in rows}):
        of_it = np.array([row["source"] == name for row in rows])
        against = of_it | (made != made[of_it][0])
        print(
            f"  {name:16} n {int(of_it.sum()):4}  AUC against the other class {auc(scores[against], made[against]):.3f}"
        )


def _told_by_voters(examples: Examples) -> NDArray[np.bool_]:
    """All but Gemini's pictures as they are: the voters tell them from photos hardly better than by chance, and tell
    others worse when they try.
    """
    return np.array([not (row["kind"] == VIEWS and row["group"] == "teenbiscuits") for row in examples.rows])


def train(folder: Path, weights: Path) -> None:
    """Train on the crops of `train`, print figures of sources never trained on, write the weights in half precision."""
    torch.manual_seed(SEED)
    started = time.process_time()
    examples, crops = read_examples(folder, "train"), Crops(folder, "train")
    network = fit(examples.where(_told_by_voters(examples)))
    print(f"{len(examples.rows)} crops, {VOTERS} voters, {time.process_time() - started:.0f} s of CPU", flush=True)
    network.traces = fit_traces(crops, examples.rows, examples.weights(), seed=SEED, steps=STEPS_OF_TRACES)
    print(f"with the traces {time.process_time() - started:.0f} s of CPU", flush=True)
    unseen, their_crops = read_examples(folder, "calibrate"), Crops(folder, "calibrate")
    voted, traced = scores_of(network, unseen), traces_of(network.traces, their_crops, np.arange(len(their_crops)))
    both = weighed(torch.from_numpy(voted), torch.from_numpy(traced)).numpy()
    for title, odds in (("voters", voted), ("traces", traced), ("both", both)):
        report(odds, unseen.rows, f"never trained on, {title}")
    tensors = network.state_dict().items()
    save_file(
        {name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous() for name, tensor in tensors},
        weights,
    )


def leave_out(folder: Path) -> None:
    """Train without one group (a page, a run, a generator) after another, and measure on it: on unchanged squares where
    there are any, else on those that went through the web.

    A second figure is of training without any made picture: on photos of the other groups and their reconstructions.
    A group without photos of its own is measured against those of stock-1080, which then are not trained on either.
    Groups of few made pictures are passed over; one voter, trained for less long, stands for the network.
    """
    examples = read_examples(folder, "train")
    groups = np.array([row["group"] for row in examples.rows])
    aligned = np.array([row["kind"] == ALIGNED for row in examples.rows])
    unchanged = np.array([row["kind"] == VIEWS for row in examples.rows])
    taken = examples.synthetic < 0.5
    lent = np.array([row["source"] == "stock-1080" for row in examples.rows])
    for group in sorted(set(groups[~taken & ~aligned])):
        held = groups == group
        if len({row["sha256"] for row in examples.where(held & ~taken & ~aligned).rows}) < LEAST_LEFT_OUT:
            continue
        if not (taken & held).any():
            held = held | lent
        measured_on = held & ~aligned & (unchanged if (held & unchanged).any() else True)
        left = examples.where(measured_on)
        figures = []
        for trained_on in (~held, ~held & aligned):
            network = fit(examples.where(trained_on), voters=1, steps=STEPS_LEFT_OUT)
            scores, rows = by_picture(scores_of(network, left), left.rows)
            made = np.array([float(row["synthetic"]) for row in rows])
            figures.append(f"AUC {auc(scores, made):.3f}, at 1 % {recall_at(scores, made):.3f}")
        names = ", ".join(sorted({row["generator"] for row in rows if row["synthetic"] == "1"}))
        count = f"{int(made.sum()):4} + {int((1 - made).sum()):4}"
        print(f"{group:20} {names:24} {count}  {figures[0]}; no made picture: {figures[1]}", flush=True)
