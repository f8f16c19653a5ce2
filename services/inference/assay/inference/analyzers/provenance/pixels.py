"""Looks at the pixels once: for invisible marks, and for what is compared with the metadata.

The picture is decoded one time and passes by in strips, so that a large one costs little memory beside the decoder's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.inference.analyzers.provenance.watermarks import Mark, Message, Scheme
from assay.inference.analyzers.provenance.watermarks.dwt_dct import BLOCK, MIN_PIXELS, Votes
from assay.inference.analyzers.provenance.watermarks.rivagan import SIDE
from assay.inference.pictures import Picture, open_picture
from assay.sdk import AnalyzerError, Media

MAX_PIXELS = 50_000_000
"""Larger pictures are not decoded; no generator with a known mark makes any."""

VOTING_PIXELS = 4_000_000
"""So many are searched for marks: a mark of the longest message then stands in each of its bits 450 times."""

SMALL = 512
"""The longer side of the picture in small lies between half of this and this, unless the picture is smaller."""

FORMATS = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WEBP",
    "image/tiff": "TIFF",
    "image/avif": "AVIF",
}

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was taken from the pixels of one picture, in the frame in which it is stored.

    size     (width, height)
    small    luma, uint8 (h, w); None where the picture was not decoded
    marks    invisible marks of the scheme DWT-DCT
    middle   uint8 (h, w, 3) out of the middle, for a network that reads marks; None where none is wanted
    problem  why the pixels were not looked at, in a sentence
    """

    size: tuple[int, int] | None = None
    small: Pixels | None = None
    marks: tuple[Mark, ...] = ()
    middle: Pixels | None = None
    problem: str | None = None


def look(media: Media, messages: Sequence[Message]) -> Seen:
    """Look at a picture of a kind that is decoded; damage is told in `problem`, never raised."""
    if media.media_type not in FORMATS:
        return Seen()
    try:
        picture = open_picture(media, formats=(FORMATS[media.media_type],))
    except AnalyzerError as error:
        return Seen(problem=str(error))
    width, height = picture.stored_size
    if width * height > MAX_PIXELS:
        limit = f"{MAX_PIXELS / 1e6:.0f} megapixels"
        text = f"It has more than {limit}; it was not searched for invisible marks, nor compared with a thumbnail."
        return Seen(size=picture.stored_size, problem=text)
    try:
        return _passed_by(picture, messages)
    except AnalyzerError:
        text = "The pixels are damaged; they were neither searched for invisible marks nor compared with a thumbnail."
        return Seen(size=picture.stored_size, problem=text)


def _passed_by(picture: Picture, messages: Sequence[Message]) -> Seen:
    width, height = picture.stored_size
    factor = max(1, math.ceil(max(width, height) / SMALL))
    rows = BLOCK * factor * max(1, round(256 / (BLOCK * factor)))
    strips = math.ceil(height / rows)
    share = min(1.0, VOTING_PIXELS / (width * height))
    # Every so many strips, the first one too: they are whole rows of blocks wherever they lie.
    every = max(1, math.floor(1 / share))
    voting = [message for message in messages if message.scheme is Scheme.DWT_DCT]
    votes = Votes(width) if width * height >= MIN_PIXELS and picture.mode != "L" else None
    middle = _Middle(width, height) if any(message.scheme is Scheme.RIVAGAN for message in messages) else None
    small = []
    for top, strip in picture.strips(rows):
        small.append(np.asarray(Image.fromarray(strip).convert("L").reduce(factor)))
        if votes is not None and (top // rows) % every == strips % every // 2:
            votes.add(top, strip)
        if middle is not None:
            middle.add(top, strip)
    return Seen(
        size=(width, height),
        small=np.concatenate(small),
        marks=tuple(votes.marks(voting)) if votes is not None else (),
        middle=middle.pixels if middle is not None else None,
    )


class _Middle:
    """Collects the middle of a picture from its strips."""

    def __init__(self, width: int, height: int) -> None:
        self._left, self._top = max(0, (width - SIDE) // 2), max(0, (height - SIDE) // 2)
        self.pixels = np.zeros((min(height, SIDE), min(width, SIDE), 3), np.uint8)

    def add(self, top: int, strip: Pixels) -> None:
        """Take what of a strip lies in the middle."""
        first, last = max(top, self._top), min(top + len(strip), self._top + len(self.pixels))
        if first < last:
            columns = slice(self._left, self._left + self.pixels.shape[1])
            self.pixels[first - self._top : last - self._top] = strip[first - top : last - top, columns]
