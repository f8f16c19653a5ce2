"""Measures of blur, after Crete et al. 2007. Pure arithmetic: float32 in, float32 out."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

REACH = 4
COARSE = 4
SQUARE = 8
TINY = np.float32(1e-3)


def features(pictures: Floats) -> Floats:
    """Two numbers for each picture: float32 (N, 2) of float32 (N, H, W), luminance 0..255.

    blur_effect     share of the differences between neighbours that is left after blurring once more, 0 sharp .. 1
                    blurred; of the direction in which the picture is more blurred
    fine_to_coarse  logarithm of the mean difference of neighbours against that of pixels four apart
    """
    both = [_blur_effect(pictures), _blur_effect(pictures.swapaxes(1, 2))]
    fine = np.abs(np.diff(pictures, axis=2)).mean(axis=(1, 2))
    coarse = np.abs(pictures[:, :, COARSE:] - pictures[:, :, :-COARSE]).mean(axis=(1, 2))
    ratio = np.log((fine + TINY) / (coarse + TINY))
    measured: Floats = np.stack([np.maximum(*both), ratio], axis=1).astype(np.float32)
    return measured


def contrast(pictures: Floats) -> Floats:
    """Standard deviation of luminance: float32 (N,)."""
    deviation: Floats = pictures.std(axis=(1, 2))
    return deviation


def local_sharpness(picture: Floats) -> NDArray[np.uint8]:
    """Fine against coarse detail in squares of 8 pixels: uint8 (H // 8, W // 8), 0 where there is none."""
    fine = np.abs(np.diff(picture, axis=1))[:, COARSE - 1 :]
    coarse = np.abs(picture[:, COARSE:] - picture[:, :-COARSE])
    height, width = (side // SQUARE * SQUARE for side in fine.shape)
    means = [
        each[:height, :width].reshape(height // SQUARE, SQUARE, width // SQUARE, SQUARE).mean(axis=(1, 3))
        for each in (fine, coarse)
    ]
    shades: NDArray[np.uint8] = np.clip(255 * means[0] / (means[1] + 1), 0, 255).astype(np.uint8)
    return shades


def _blur_effect(pictures: Floats) -> Floats:
    """Along the rows."""
    before = np.abs(np.diff(_inner(pictures), axis=2))
    after = np.abs(np.diff(_blurred(pictures), axis=2))
    lost = np.maximum(before - after, 0).sum(axis=(1, 2))
    left: Floats = 1 - lost / (before.sum(axis=(1, 2)) + TINY)
    return left


def _inner(pictures: Floats) -> Floats:
    return pictures[:, :, REACH:-REACH]


def _blurred(pictures: Floats) -> Floats:
    """Each pixel as the mean of the nine around it in its row; the ends of rows are left out."""
    sums = np.cumsum(np.pad(pictures, ((0, 0), (0, 0), (1, 0))), axis=2, dtype=np.float64)
    width = 2 * REACH + 1
    return ((sums[:, :, width:] - sums[:, :, :-width]) / width).astype(np.float32)
