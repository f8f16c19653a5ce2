"""The ways in which pictures are spoiled for calibration and for the table of robustness: fixed, not drawn."""

import io
from collections.abc import Callable

from PIL import Image


def _saved(image: Image.Image, kind: str, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, kind, quality=quality)
    return buffer.getvalue()


def _resized(image: Image.Image, by: float) -> Image.Image:
    size = (max(1, round(image.width * by)), max(1, round(image.height * by)))
    return image.convert("RGB").resize(size, Image.Resampling.BICUBIC)


def _cropped(image: Image.Image) -> bytes:
    width, height = image.width * 7 // 10, image.height * 7 // 10
    left, top = image.width // 7 | 1, image.height // 7 | 1
    return _saved(image.crop((left, top, left + width, top + height)), "JPEG", 90)


VARIANTS: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg 95": lambda image: _saved(image, "JPEG", 95),
    "jpeg 85": lambda image: _saved(image, "JPEG", 85),
    "jpeg 75": lambda image: _saved(image, "JPEG", 75),
    "jpeg 60": lambda image: _saved(image, "JPEG", 60),
    "webp 80": lambda image: _saved(image, "WEBP", 80),
    "half size": lambda image: _saved(_resized(image, 0.5), "JPEG", 92),
    "crop": _cropped,
    "screenshot": lambda image: _saved(_resized(image, 0.8), "JPEG", 80),
}
"""What becomes of an upright picture: encoded bytes."""
CLEAN = "clean"
