"""Photo-like pictures drawn for the tests, and what people do to them."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def photo(seed: int, height: int = 256, width: int = 320) -> Pixels:
    """A colour picture with the spectrum and the noise of a photo, without clipped colours."""
    chance = np.random.default_rng(seed)
    rows, columns = np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width)[None, :] * width
    fall = np.maximum(np.hypot(rows, columns), 1.0) ** -1.3
    layers = []
    for _ in range(3):
        field = np.fft.irfft2(fall * np.exp(2j * np.pi * chance.random(fall.shape)), (height, width))
        layers.append(field / field.std())
    base = layers[0]
    colours = np.stack([base * 34 + layers[1] * 8 + level for level in (132, 122, 110)], axis=-1)
    return np.clip(np.rint(colours + chance.normal(0.0, 2.0, colours.shape)), 8, 247).astype(np.uint8)


def encoded(pixels: Pixels, quality: int = 0, **options: object) -> bytes:
    """The bytes of a JPEG of this quality; of a PNG for 0."""
    output = BytesIO()
    if quality:
        Image.fromarray(pixels).save(output, "JPEG", quality=quality, **options)
    else:
        Image.fromarray(pixels).save(output, "PNG")
    return output.getvalue()


def decoded(content: bytes) -> Pixels:
    with Image.open(BytesIO(content)) as image:
        return np.array(image.convert("RGB"))


# Where the tests paste: rows, columns.
PASTED = (slice(96, 208), slice(120, 248))


def pasted(host_quality: int = 70, donor: Pixels | None = None) -> Pixels:
    """A photo that was a JPEG of this quality, with a part of another in it."""
    canvas = decoded(encoded(photo(1), host_quality))
    canvas[PASTED] = (photo(2) if donor is None else donor)[PASTED]
    return canvas
