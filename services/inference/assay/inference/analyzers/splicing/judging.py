"""Pictures to findings and drawings, on one device."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from assay.inference.analyzers.splicing import drawing
from assay.inference.analyzers.splicing.conclusion import conclude
from assay.inference.analyzers.splicing.preparing import MINIMUM_SIDE, Prepared
from assay.inference.analyzers.splicing.residual.comparator import Comparator
from assay.inference.analyzers.splicing.residual.examination import Examination, examine
from assay.inference.analyzers.splicing.residual.traces import cell_side, count_patterns
from assay.inference.analyzers.splicing.weighing import assess
from assay.sdk import DeviceMemoryError, Finding, Rendering

_REMEMBERED = 16


class Judge:
    """Examines pictures, and remembers the last ones for their drawings."""

    def __init__(self, device: str, weights: Path) -> None:
        self._device = torch.device(device)
        self._comparator = Comparator.read(weights)
        self._recent: OrderedDict[str, Examination] = OrderedDict()

    def warm_up(self) -> None:
        """Let the device do once what it will do for the first file."""
        count_patterns(torch.zeros((2 * MINIMUM_SIDE, 2 * MINIMUM_SIDE), dtype=torch.uint8, device=self._device))

    def conclusions(self, batch: Sequence[Prepared]) -> list[Finding]:
        """One finding for each picture, in order. Raises DeviceMemoryError."""
        return [
            conclude(each, found, assess(each.search, found, enlarged=each.enlarged))
            for each in batch
            for found in [self._examined(each)]
        ]

    def drawings(self, prepared: Prepared) -> Iterator[Rendering]:
        """Heat map, mask and pairs. What was measured is measured again if it is no longer remembered."""
        examination = self._recent.get(prepared.sha256) or self._examined(prepared)
        assessment = assess(prepared.search, examination, enlarged=prepared.enlarged)
        yield from drawing.drawings(prepared, examination, assessment)

    def _examined(self, prepared: Prepared) -> Examination:
        # A picture goes to the device strip by strip, so that the largest takes no more memory there than a small one.
        try:
            counts = count_patterns(torch.from_numpy(prepared.luma), self._device)
        except torch.OutOfMemoryError as error:
            raise DeviceMemoryError("The device has no memory left for this batch.") from error
        examination = examine(counts.numpy(), cell_side(*prepared.luma.shape), self._comparator)
        self._recent[prepared.sha256] = examination
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        return examination
