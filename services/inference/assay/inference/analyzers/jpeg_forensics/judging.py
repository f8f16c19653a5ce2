"""Pictures to findings and heat maps, on one device."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from threading import Lock

import numpy as np
import torch

from assay.inference.analyzers.jpeg_forensics.conclusion import conclude
from assay.inference.analyzers.jpeg_forensics.decoding import MINIMUM_SIDE, Picture
from assay.inference.analyzers.jpeg_forensics.examination import Examination, examine
from assay.inference.analyzers.jpeg_forensics.heatmap import heat, render
from assay.inference.analyzers.jpeg_forensics.seeing import draw_error_levels, draw_ghosts, error_level_quality
from assay.sdk import DeviceMemoryError, Finding, Rendering

PNG = "image/png"
HEAT_TITLE = "The picture in gray; the brighter the colour, the more a part's compression differs from the rest."
GHOSTS_TITLE = (
    "JPEG ghosts, for the eye: a part much darker or brighter than its surroundings under some quality was saved "
    "differently before. Smooth parts look alike under all."
)
ERROR_LEVELS_TITLE = (
    "Error levels at quality {quality}, for the eye only: they prove nothing. Edges and texture are bright in any "
    "picture."
)

_REMEMBERED = 16
_REMEMBERED_CELLS = 1 << 22  # a picture of 200 megapixels has three million
_TOGETHER = 1 << 25  # pixels


class Judge:
    """Examines batches, and remembers the last ones for their heat maps."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._recent: OrderedDict[str, Examination] = OrderedDict()
        self._lock = Lock()  # heat maps are drawn in another thread

    def warm_up(self) -> None:
        """Let the device do once what it will do for the first file."""
        side = 2 * MINIMUM_SIDE
        gradient = np.add.outer(np.arange(side), np.arange(side)).astype(np.uint8)
        table = (16,) * 64
        blank = Picture(
            sha256="",
            luma=gradient,
            clipped=np.zeros((side, side // 8), dtype=np.uint8),
            table=table,
            orientation=1,
            format="JPEG",
            software=None,
        )
        examine([blank], self._device)

    def conclusions(self, batch: Sequence[Picture]) -> list[Finding]:
        """One finding for each picture, in order. Raises DeviceMemoryError."""
        findings: dict[int, Finding] = {}
        for members in _groups(batch, self._device):
            pictures = [batch[index] for index in members]
            for index, picture, examination in zip(members, pictures, self._examine(pictures), strict=True):
                findings[index] = conclude(picture, examination)
        return [findings[index] for index in range(len(batch))]

    def drawings(self, picture: Picture) -> Iterator[Rendering]:
        """What a person may look at. What was measured is measured again if it is no longer remembered."""
        examination = self._recent.get(picture.sha256) or self._examine([picture])[0]
        grid = examination.double_grid
        yield Rendering("heatmap.png", PNG, render(picture, heat(picture, examination), grid), HEAT_TITLE)
        yield Rendering("ghosts.png", PNG, draw_ghosts(picture, grid), GHOSTS_TITLE)
        title = ERROR_LEVELS_TITLE.format(quality=error_level_quality(picture))
        yield Rendering("ela.png", PNG, draw_error_levels(picture, grid), title)

    def _examine(self, pictures: Sequence[Picture]) -> list[Examination]:
        try:
            examinations = examine(pictures, self._device)
        except torch.OutOfMemoryError as error:
            raise DeviceMemoryError("The device has no memory left for this batch.") from error
        with self._lock:
            for picture, examination in zip(pictures, examinations, strict=True):
                self._recent[picture.sha256] = examination
            while len(self._recent) > _REMEMBERED or sum(map(_cells, self._recent.values())) > _REMEMBERED_CELLS:
                self._recent.popitem(last=False)
        return examinations


def _groups(batch: Sequence[Picture], device: torch.device) -> list[list[int]]:
    """Indices of the pictures that go through the device together: of one shape, in the order of their first.

    A CPU gains nothing by it, so there each goes alone. No group has more than _TOGETHER pixels, so that memory does
    not grow with a batch.
    """
    groups: list[list[int]] = []
    latest: dict[tuple[int, ...], list[int]] = {}
    for index, picture in enumerate(batch):
        group = latest.get(picture.luma.shape)
        if group is None or device.type == "cpu" or (len(group) + 1) * picture.luma.size > _TOGETHER:
            group = latest[picture.luma.shape] = []
            groups.append(group)
        group.append(index)
    return groups


def _cells(examination: Examination) -> int:
    """How much an examination takes, in blocks."""
    double = examination.double
    return 0 if double is None or double.evidence is None else double.evidence.size
