"""Photo-like pictures drawn for the tests."""

from io import BytesIO

import numpy as np
from PIL import Image


def photo(seed: int, height: int = 300, width: int = 420) -> np.ndarray:
    """A colour picture with the spectrum and the noise of a photo."""
    chance = np.random.default_rng(seed)
    rows, columns = np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width)[None, :] * width
    fall = np.maximum(np.hypot(rows, columns), 1.0) ** -1.2
    field = np.fft.irfft2(fall * np.exp(2j * np.pi * chance.random(fall.shape)), (height, width))
    base = field / field.std() * 38 + 120
    colours = base[..., None] + np.array([8, 0, -10]) + chance.normal(0.0, 3.0, (height, width, 3))
    return np.clip(np.rint(colours), 6, 249).astype(np.uint8)


def encoded(pixels: np.ndarray, kind: str = "JPEG", **how: object) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, kind, **how)
    return out.getvalue()
