"""Draw landscape.jpg, an unedited picture, and splice.jpg, the same valley with a balloon pasted in.

    python examples/samples/make_samples.py [FOLDER]

Everything is computed from seeds: no photo of anybody's is in them. The landscape is a fractal valley with the noise of
a camera, saved once. For the splice it is saved at quality 70 first, as a telephone would; then the balloon, which was
never compressed, is pasted in and the whole saved at quality 90.
"""

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 640, 448
SAVED_AT = 85
CAMERA_QUALITY, EDITOR_QUALITY = 70, 90
BALLOON = (388, 62)  # its upper left corner
LARGEST = 150_000  # bytes of a picture

Floats = NDArray[np.float64]


def fractal(height: int, width: int, roughness: float, seed: int) -> Floats:
    """Noise whose spectrum falls with the frequency to the power of `roughness`; mean 0, standard deviation 1."""
    rows = np.fft.fftfreq(height)[:, None] * height
    columns = np.fft.rfftfreq(width)[None, :] * width
    radius = np.maximum(np.hypot(rows, columns), 1.0)
    chance = np.random.default_rng(seed)
    phases = chance.uniform(0.0, 2.0 * np.pi, radius.shape)
    field = np.fft.irfft2(radius**-roughness * np.exp(1j * phases), (height, width))
    return np.asarray((field - field.mean()) / field.std())


def ridge(level: float, swing: float, seed: int) -> Floats:
    """Height of a mountain's edge, in pixels from the top, for each column."""
    line = fractal(1, 4 * WIDTH, 1.4, seed)[0, :WIDTH]
    return np.asarray(level + swing * line)


def sky() -> Floats:
    """Blue above, hazy below, with clouds."""
    down = np.linspace(0.0, 1.0, HEIGHT)[:, None, None]
    blue = np.array([74.0, 122.0, 186.0]) * (1.0 - down) + np.array([206.0, 206.0, 196.0]) * down
    clouds = np.clip(fractal(HEIGHT, WIDTH, 1.9, 3) * 0.5 + 0.1, 0.0, 1.0)[..., None]
    return np.asarray(blue * (1.0 - 0.75 * clouds) + 228.0 * 0.75 * clouds)


def landscape() -> Floats:
    """The valley, (HEIGHT, WIDTH, 3), 0..255, before the camera's noise."""
    scene = sky()
    down = np.arange(HEIGHT)[:, None]
    layers = (
        (ridge(212, 20, 11), (118.0, 134.0, 156.0), 10.0),
        (ridge(262, 24, 12), (84.0, 104.0, 104.0), 18.0),
        (ridge(318, 16, 13), (66.0, 88.0, 54.0), 26.0),
        (ridge(372, 9, 14), (104.0, 108.0, 58.0), 38.0),
    )
    for number, (edge, colour, contrast) in enumerate(layers):
        texture = fractal(HEIGHT, WIDTH, 1.05, 20 + number)
        slope = fractal(HEIGHT, WIDTH, 1.7, 30 + number)
        light = 1.0 + (contrast * texture + 0.8 * contrast * slope) / 128.0
        cover = np.clip(down - edge[None, :], 0.0, 1.0)[..., None]
        scene = scene * (1.0 - cover) + np.array(colour) * light[..., None] * cover
    return scene


def photographed(scene: Floats, seed: int) -> NDArray[np.uint8]:
    """Add the noise of a sensor, which grows with the light."""
    chance = np.random.default_rng(seed)
    noise = chance.normal(0.0, 1.0, scene.shape) * np.sqrt(1.5 + 0.03 * np.clip(scene, 0.0, 255.0))
    return np.clip(np.rint(scene + noise), 4, 251).astype(np.uint8)


def balloon() -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A hot-air balloon, and the mask of it."""
    tall, wide = 168, 132
    y, x = np.mgrid[:tall, :wide].astype(np.float64)
    across, along = (x - wide / 2) / (wide / 2 - 2), (y - 64) / 62
    narrowing = np.where(along > 0, 1.0 - 0.45 * along**2, 1.0)
    envelope = (across / np.maximum(narrowing, 0.2)) ** 2 + along**2 < 1.0
    basket = (np.abs(x - wide / 2) < 11) & (y > 142) & (y < 162)
    ropes = (np.abs(np.abs(x - wide / 2) - (26.0 - (y - 112) * 0.45)) < 1.2) & (y > 112) & (y < 144)
    turn = np.arcsin(np.clip(across / np.maximum(narrowing, 0.2), -1.0, 1.0))
    red = (np.floor((turn + np.pi) * 4.0) % 2 == 0)[..., None]
    cloth = np.where(red, np.array([186.0, 52.0, 42.0]), np.array([222.0, 188.0, 92.0]))
    shade = 0.62 + 0.38 * np.cos(turn - 0.5) + 0.05 * fractal(tall, wide, 1.0, 41)
    wicker = np.array([112.0, 78.0, 44.0]) * (1.0 + 0.2 * fractal(tall, wide, 0.6, 42))[..., None]
    colours = np.where(envelope[..., None], cloth * shade[..., None], wicker)
    return photographed(colours, 43), envelope | basket | ropes


def saved(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """The bytes of a JPEG with full colour resolution."""
    output = BytesIO()
    Image.fromarray(pixels).save(output, "JPEG", quality=quality, subsampling=0, optimize=True)
    return output.getvalue()


def splice(valley: NDArray[np.uint8]) -> bytes:
    """Paste the balloon into the valley that was a JPEG before."""
    with Image.open(BytesIO(saved(valley, CAMERA_QUALITY))) as before:
        canvas = np.array(before.convert("RGB"))
    patch, mask = balloon()
    left, top = BALLOON
    canvas[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = patch[mask]
    return saved(canvas, EDITOR_QUALITY)


def main(folder: Path) -> None:
    """Write both pictures."""
    valley = photographed(landscape(), 1)
    for name, content in (("landscape.jpg", saved(valley, SAVED_AT)), ("splice.jpg", splice(valley))):
        assert len(content) <= LARGEST, f"{name} has {len(content)} bytes"
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
