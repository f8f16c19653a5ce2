"""From whatever colours a decoder gives to eight bits of gray or of red, green and blue."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DEEP = ("I", "F")
"""How the names of modes with more than eight bits begin."""

_AS_THEY_ARE = ("L", "RGB")


def flat(image: Image.Image, mode: str, scale: float) -> NDArray[np.uint8]:
    """The pixels of an image or of a strip of it, transparent ones over white.

    mode: "RGB" gives uint8 (H, W, 3), "L" gives (H, W), by the weights of ITU-R BT.601. scale: of `deep_scale`.
    """
    if image.mode.startswith(DEEP):
        gray = np.clip(np.rint(np.nan_to_num(np.asarray(image).astype(np.float64)) / scale), 0, 255).astype(np.uint8)
        return gray if mode == "L" else np.repeat(gray[..., None], 3, axis=2)
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    elif image.mode not in _AS_THEY_ARE:
        image = image.convert("RGB")
    return np.asarray(image if image.mode == mode else image.convert(mode), dtype=np.uint8)


def deep_scale(image: Image.Image, strip: int) -> float:
    """What samples of more than eight bits are divided by; 1 for others.

    Sixteen bits that hold eight (times 257) come back exactly. strip: rows looked at together.
    """
    if not image.mode.startswith(DEEP):
        return 1.0
    width, height = image.size
    peak = 0.0
    for top in range(0, height, strip):
        samples = np.nan_to_num(np.asarray(image.crop((0, top, width, min(top + strip, height)))).astype(np.float64))
        peak = max(peak, float(samples.max(initial=0.0)))
    return 1.0 if peak <= 255.0 else 257.0 if peak <= 65535.0 else peak / 255.0
