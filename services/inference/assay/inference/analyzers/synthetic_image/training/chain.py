"""What happens to a picture on its way through the web, drawn at random, the same for both classes.

Whatever a class brought along (format, size, quantisation) is drowned in what is drawn here. `Passed` says what was
drawn, so that a classifier on these facts alone can show that they tell nothing (`training leak`).
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

FILTERS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BOX,
    Image.Resampling.HAMMING,
)
"""What pictures are resized by."""
REGION = 720
"""Longest side of what is cut from a picture before it goes through the chain."""


@dataclass(frozen=True)
class Passed:
    """What a picture went through: facts that must not tell its class."""

    width: int
    height: int
    scale: float
    jpeg: int
    webp: int
    screenshot: int
    noise: float
    blur: float


def bring_to(image: Image.Image, longest: int, rng: Generator) -> Image.Image:
    """Shrink to a longer side, by a filter drawn at random; smaller pictures stay as they are."""
    if max(image.size) <= longest:
        return image
    by = longest / max(image.size)
    size = (max(1, round(image.width * by)), max(1, round(image.height * by)))
    return image.resize(size, FILTERS[int(rng.integers(len(FILTERS)))])


def cut(image: Image.Image, longest: int, rng: Generator) -> Image.Image:
    """A region of at most longest x longest pixels, anywhere."""
    width, height = min(image.width, longest), min(image.height, longest)
    left = int(rng.integers(image.width - width + 1))
    top = int(rng.integers(image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def pass_through(image: Image.Image, rng: Generator, *, smallest: int, mild: bool) -> tuple[Image.Image, Passed]:
    """One random way through the web.

    smallest: shorter side that is left, in pixels. mild: two in five pictures stay as they are, the others lose little;
    else all of it happens often, and strongly.
    """
    scale, noise, blur, webp, jpeg, screenshot = 1.0, 0.0, 0.0, 0, 0, 0
    if mild and rng.random() < 0.4:
        return image, Passed(image.width, image.height, scale, jpeg, webp, screenshot, noise, blur)
    often, worst, shrunk, enlarged = (0.4, 72, 0.7, 1.4) if mild else (1.0, 50, 0.45, 1.5)
    if rng.random() < 0.45 * often:
        low = max(shrunk, smallest / min(image.size))
        scale = float(np.exp(rng.uniform(np.log(min(low, 1.0)), np.log(enlarged))))
        image = _scaled(image, scale, rng)
    if rng.random() < 0.12 * often:
        blur = float(rng.uniform(0.2, 0.9))
        image = image.filter(ImageFilter.GaussianBlur(blur))
    elif rng.random() < 0.1 * often:
        image = image.filter(ImageFilter.UnsharpMask(1, int(rng.integers(30, 120)), 2))
    if rng.random() < 0.1 * often:
        noise = float(rng.uniform(0.5, 3.0))
        image = _noisy(image, noise, rng)
    if rng.random() < 0.75:
        if rng.random() < 0.15:
            webp = int(rng.integers(worst, 96))
            image = _encoded(image, "WEBP", quality=webp, method=2)
        else:
            jpeg = int(rng.integers(worst, 99))
            image = _encoded(image, "JPEG", quality=jpeg, subsampling=int(rng.choice((0, 2, 2))))
    if rng.random() < 0.12 * often:
        screenshot = 1
        low = max(0.6, smallest / min(image.size))
        image = _scaled(image, float(rng.uniform(min(low, 1.0), 1.0)), rng)
        if rng.random() < 0.6:
            jpeg = int(rng.integers(70, 96))
            image = _encoded(image, "JPEG", quality=jpeg, subsampling=2)
    return image, Passed(image.width, image.height, scale, jpeg, webp, screenshot, noise, blur)


def as_served(image: Image.Image, rng: Generator) -> Image.Image:
    """A picture that was stored without loss, compressed once as sites do it: photos mostly come compressed already."""
    if rng.random() < 0.85:
        return _encoded(image, "JPEG", quality=int(rng.integers(82, 99)), subsampling=int(rng.choice((0, 2))))
    return image


def _scaled(image: Image.Image, scale: float, rng: Generator) -> Image.Image:
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, FILTERS[int(rng.integers(len(FILTERS)))])


def _noisy(image: Image.Image, noise: float, rng: Generator) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float32)
    drawn = rng.normal(0.0, noise, pixels.shape).astype(np.float32)
    return Image.fromarray(np.clip(np.rint(pixels + drawn), 0, 255).astype(np.uint8))


def _encoded(image: Image.Image, kind: str, **how: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    buffer.seek(0)
    return Image.open(buffer).convert("RGB")
