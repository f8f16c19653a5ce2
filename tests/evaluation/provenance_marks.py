"""How often a generator's invisible mark is still found after what happens to pictures.

The marks are written here, into photos of the sets (`analyzers/provenance/marking.py`, from the scheme's description).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from analyzers.provenance.marking import marked
from PIL import Image

from assay.inference.analyzers.provenance.watermarks.messages import GENERATORS
from assay.sdk import Finding
from evaluation.conditions import CONDITIONS, Condition, encoded
from evaluation.pictures import photos
from evaluation.rows import Row, share

SIDE = 512
PHOTOS = 30
MESSAGES = {
    "sd1": "Stable Diffusion 1",
    "sd2": "Stable Diffusion 2",
    "sdxl": "Stable Diffusion XL",
    "flux": "FLUX",
    "invokeai": "InvokeAI",
}
CHANGES: dict[str, tuple[str, Condition]] = {
    "none": (".png", lambda pixels: encoded(pixels, "PNG", compress_level=1)),
    "jpeg95_all_chroma": (".jpg", lambda pixels: encoded(pixels, "JPEG", quality=95, subsampling=0)),
    "webp90": (".webp", lambda pixels: encoded(pixels, "WEBP", quality=90)),
    "jpeg95": (".jpg", CONDITIONS["jpeg95"]),
    "jpeg90": (".jpg", lambda pixels: encoded(pixels, "JPEG", quality=90)),
    "jpeg75": (".jpg", CONDITIONS["jpeg75"]),
    "half": (".jpg", CONDITIONS["half"]),
    "crop": (".jpg", CONDITIONS["crop"]),
}

Examine = Callable[[Path], Finding | None]


def rows_of_marks(examine: Examine, folder: Path, scratch: Path) -> list[Row]:
    """`provenance/watermarks/<message>/<change>`: in how many of the photos of a folder the mark is named.

    Of each of the first PHOTOS photos that are large enough the middle is marked, 512 x 512 as Stable Diffusion paints.
    """
    middles = [_middle(each.pixels) for each in photos(folder) if min(each.pixels.size) >= SIDE][:PHOTOS]
    bits = {message.name: message.bits for message in GENERATORS}
    rows = []
    for short, name in MESSAGES.items():
        pictures = [Image.fromarray(marked(np.asarray(each), bits[name])) for each in middles]
        for change, (suffix, done_to) in CHANGES.items():
            path = scratch / f"marked{suffix}"
            found = 0
            for picture in pictures:
                path.write_bytes(done_to(picture))
                found += name in names_of_marks(examine(path))
            rows.append(share(f"provenance/watermarks/{short}/{change}", found, len(pictures)))
    return rows


def names_of_marks(finding: Finding | None) -> list[str]:
    """Of the invisible marks that were found."""
    return [mark["name"] for mark in finding.details["watermarks"]] if finding else []


def _middle(pixels: Image.Image) -> Image.Image:
    left, top = ((side - SIDE) // 2 for side in pixels.size)
    return pixels.crop((left, top, left + SIDE, top + SIDE))
