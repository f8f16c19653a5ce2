"""Copy-moves and splices whose true masks are known, made from photos by seeded chance."""

from dataclasses import dataclass
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

WAYS = ("shifted", "turned", "scaled", "turned and scaled")


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """Pixels before saving, the mask of what was put there, and of where it came from (copies only)."""

    pixels: Pixels
    target: Mask
    source: Mask | None = None


def saved(pixels: Pixels, quality: int) -> bytes:
    """The bytes of a JPEG, or of a PNG for quality 0."""
    output = BytesIO()
    if quality:
        Image.fromarray(pixels).save(output, "JPEG", quality=quality)
    else:
        Image.fromarray(pixels).save(output, "PNG", compress_level=1)
    return output.getvalue()


def opened(content: bytes) -> Pixels:
    """RGB pixels of a file's bytes."""
    with Image.open(BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def shape_of(chance: np.random.Generator, tall: int, wide: int) -> Mask:
    """An ellipse or a blob with an uneven outline that fits a rectangle."""
    rows, columns = np.mgrid[:tall, :wide]
    y, x = (rows + 0.5) / tall * 2 - 1, (columns + 0.5) / wide * 2 - 1
    angle = np.arctan2(y, x)
    bumps = sum(chance.uniform(-0.12, 0.12) * np.cos(k * angle + chance.uniform(0, 6.28)) for k in (2, 3, 5))
    mask: Mask = np.hypot(x, y) < (1.0 if chance.random() < 0.4 else 0.85 + bumps)
    return mask


def copied(pixels: Pixels, chance: np.random.Generator, way: str, share: tuple[float, float] = (0.12, 0.35)) -> Made:
    """Copy a part of a photo to another place of it, in one of WAYS; its edge is blended over two pixels.

    share: sides of the part, of the picture's. Turned by 3 to 90 degrees either way, scaled by 0.7 to 1.4.
    """
    height, width = pixels.shape[:2]
    turn = np.deg2rad(chance.uniform(3, 90) * chance.choice([-1, 1])) if "turned" in way else 0.0
    scale = float(np.exp(chance.uniform(np.log(0.7), np.log(1.4)))) if "scaled" in way else 1.0
    for _ in range(200):
        tall, wide = int(height * chance.uniform(*share)), int(width * chance.uniform(*share))
        top, left = int(chance.integers(0, height - tall)), int(chance.integers(0, width - wide))
        source = np.zeros((height, width), np.uint8)
        source[top : top + tall, left : left + wide] = shape_of(chance, tall, wide)
        centre = np.array([left + wide / 2, top + tall / 2])
        goal = np.array([chance.uniform(0, width), chance.uniform(0, height)]).round()
        if not ("turned" in way or "scaled" in way):
            goal += centre - centre.round()
        matrix = np.empty((2, 3))
        matrix[:, :2] = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        matrix[:, 2] = goal - matrix[:, :2] @ centre
        target = np.asarray(cv2.warpAffine(source, matrix, (width, height), flags=cv2.INTER_NEAREST), np.uint8)
        whole = target.sum() > 0.97 * source.sum() * scale**2
        if whole and not (cv2.dilate(target, np.ones((9, 9), np.uint8))[source > 0]).any():
            break
    moved = np.asarray(cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_CUBIC), np.uint8)
    return Made(_blended(pixels, moved, target), target > 0, source > 0)


def spliced(host: Pixels, donor: Pixels, chance: np.random.Generator) -> Made:
    """Put a part of a donor into a host; both of RGB. The part's sides are 20 to 45 % of the host's."""
    height, width = host.shape[:2]
    tall = min(int(height * chance.uniform(0.2, 0.45)), donor.shape[0] - 1)
    wide = min(int(width * chance.uniform(0.2, 0.45)), donor.shape[1] - 1)
    y, x = int(chance.integers(0, height - tall)), int(chance.integers(0, width - wide))
    top, left = int(chance.integers(0, donor.shape[0] - tall)), int(chance.integers(0, donor.shape[1] - wide))
    target = np.zeros((height, width), np.uint8)
    target[y : y + tall, x : x + wide] = shape_of(chance, tall, wide)
    moved = host.copy()
    moved[y : y + tall, x : x + wide] = donor[top : top + tall, left : left + wide]
    return Made(_blended(host, moved, target), target > 0)


def _blended(under: Pixels, over: Pixels, mask: NDArray[np.uint8]) -> Pixels:
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.0)[..., None]
    soft = np.where(mask[..., None] > 0, np.maximum(soft, 0.5), 0.0)
    return np.rint(under * (1 - soft) + over * soft).astype(np.uint8)
