"""From untrusted bytes to luminance. Runs in a child process with memory and time limits."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.sdk import MediaUnreadableError, NotApplicableError

FORMATS = ("JPEG", "PNG", "WEBP")
LEAST_SIDE = 32

# What Pillow is known to raise on damaged bytes. Anything else would be a defect, and should be seen as one.
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError)


def luminance(path: Path, max_pixels: int) -> NDArray[np.uint8]:
    """Luminance (ITU-R BT.601) as uint8 (H, W).

    Raises MediaUnreadableError for damaged bytes, NotApplicableError for pictures that are too small or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures; the limit below is ours
            with Image.open(path, formats=FORMATS) as image:
                if min(image.size) < LEAST_SIDE:
                    raise NotApplicableError(f"The picture is under {LEAST_SIDE} pixels wide or high.")
                if image.width * image.height > max_pixels:
                    raise NotApplicableError(f"The picture has more than {max_pixels:,} pixels.")
                return np.array(image.convert("L"), dtype=np.uint8)
    except Image.DecompressionBombError as error:
        raise NotApplicableError(f"The picture has more than {max_pixels:,} pixels.") from error
    except DAMAGED as error:
        raise MediaUnreadableError(f"The picture is damaged or cut off: {error}") from error
