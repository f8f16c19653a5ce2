"""Makes the weights: `python train.py` draws pictures, fits the regression, and prints what the manifest needs.

Numpy and Pillow only; the same pictures every time. With an argument, writes there instead of into the package.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
from assay_sharpness.analyzer import WEIGHTS
from assay_sharpness.measuring import features
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from safetensors.numpy import save

SIDE = 128
SHARP, BLURRED = (0.0, 0.6), (1.5, 4.0)
"""Radius of the Gaussian in pixels, from and to."""

STEPS = 12
RIDGE = 1e-2


def drawn(random: np.random.Generator) -> Image.Image:
    """Light that changes slowly, with shapes and grain before it."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    angle, waves = random.uniform(0, np.pi), random.uniform(0.3, 2)
    light = random.uniform(60, 190) + 40 * np.sin(2 * np.pi * waves * (x * np.cos(angle) + y * np.sin(angle)))
    image = Image.fromarray(np.clip(light, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(random.integers(5, 25)):
        corners = random.uniform(0, SIDE, (random.integers(3, 7), 2))
        draw.polygon([tuple(corner) for corner in corners.tolist()], fill=int(random.integers(0, 256)))
    return image


def example(random: np.random.Generator) -> tuple[NDArray[np.float32], float]:
    """A picture, float32 (SIDE, SIDE), and 1.0 where it is blurred. Grain comes after the lens."""
    blurred = random.random() < 0.5
    image = drawn(random).filter(ImageFilter.GaussianBlur(random.uniform(*(BLURRED if blurred else SHARP))))
    grainy = np.asarray(image, np.float32) + random.normal(0, random.uniform(0, 2), (SIDE, SIDE))
    return np.rint(np.clip(grainy, 0, 255)).astype(np.float32), float(blurred)


def examples(seed: int, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Their measures, (count, 2), and whether each is blurred, (count,)."""
    random = np.random.default_rng(seed)
    pictures, answers = zip(*(example(random) for _ in range(count)), strict=True)
    return features(np.stack(pictures)).astype(np.float64), np.array(answers)


def fitted(measured: NDArray[np.float64], answers: NDArray[np.float64]) -> dict[str, NDArray[np.float32]]:
    """The weights, by Newton's method with a small ridge."""
    mean, scale = measured.mean(axis=0), measured.std(axis=0)
    inputs = np.column_stack([(measured - mean) / scale, np.ones(len(measured))])
    found = np.zeros(inputs.shape[1])
    for _ in range(STEPS):
        guess = 1 / (1 + np.exp(-inputs @ found))
        slope = inputs.T @ (guess - answers) + RIDGE * len(answers) * found
        bend = (inputs * (guess * (1 - guess))[:, None]).T @ inputs + RIDGE * len(answers) * np.eye(len(found))
        found -= np.linalg.solve(bend, slope)
    weights = {"mean": mean, "scale": scale, "coefficients": found[:-1], "intercept": found[-1:]}
    return {name: value.astype(np.float32) for name, value in weights.items()}


def accuracy(weights: dict[str, NDArray[np.float32]], seed: int, count: int) -> float:
    """Share of pictures, never seen before, that are judged right."""
    measured, answers = examples(seed, count)
    logits = (measured - weights["mean"]) / weights["scale"] @ weights["coefficients"] + weights["intercept"]
    return float(((logits > 0) == (answers > 0.5)).mean())


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "assay_sharpness"
    weights = fitted(*examples(seed=1, count=1000))
    data = save(weights)
    (folder / WEIGHTS).write_bytes(data)
    print(f'sha256="{hashlib.sha256(data).hexdigest()}",\nsize={len(data)},')
    print(f"accuracy on 500 other pictures: {accuracy(weights, seed=2, count=500):.3f}")


if __name__ == "__main__":
    main()
