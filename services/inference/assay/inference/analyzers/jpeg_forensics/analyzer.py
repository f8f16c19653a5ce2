"""JPEG compression traces: the analyzer that the engine runs."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
from pydantic import BaseModel, ConfigDict, Field

from assay.inference.analyzers.jpeg_forensics.conclusion import CLAIM, MANIPULATED, conclude
from assay.inference.analyzers.jpeg_forensics.decoding import Picture, decode
from assay.inference.analyzers.jpeg_forensics.examination import Examination, examine
from assay.inference.analyzers.jpeg_forensics.heatmap import heat, render
from assay.sdk import (
    INCONCLUSIVE,
    NO_FINDINGS,
    Analyzer,
    AnalyzerManifest,
    DeviceMemoryError,
    Finding,
    Media,
    Rendering,
)

_REMEMBERED = 16


class JpegForensicsSettings(BaseModel):
    """ASSAY_ANALYZER__JPEG_FORENSICS__<FIELD>."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_pixels: int = Field(default=64_000_000, ge=4096, description="Pictures with more pixels are not examined")


class JpegForensics(Analyzer[Picture]):
    """Finds parts of a picture whose JPEG compression history differs from the rest; nothing is trained.

    Two traces are read: blocks on another grid (ZERO, Nikoukhah et al. 2021; `grids.py`), and blocks without the
    double quantisation of the rest (Lin et al. 2009, Bianchi and Piva 2012; `double.py`). JPEG ghosts (Farid 2009)
    look for the same trace as the second by saving again at many qualities; the likelihood model uses more of it, so
    they are left out.
    """

    manifest: ClassVar[AnalyzerManifest] = AnalyzerManifest(
        name="jpeg-forensics",
        version="0.1.0",
        title="JPEG compression traces",
        description="Looks for parts of a picture that were compressed differently from the rest: on another block "
        "grid, or without the double compression that the rest went through.",
        media_types=("image/jpeg", "image/png", "image/webp", "image/tiff", "image/bmp"),
        claims=(CLAIM,),
        labels=(MANIPULATED, NO_FINDINGS, INCONCLUSIVE),
        domain="Photos that were JPEGs once, from 0.1 to 64 megapixels. Finds what was pasted into a JPEG that is then "
        "saved at a higher quality than before, or without loss. Blind to editing before the first compression, to "
        "pictures resized after editing, and to most of those saved at a lower quality than before.",
        sources=(
            "T. Nikoukhah et al., ZERO: a local JPEG grid origin detector based on the number of DCT zeros and its "
            "applications in image forensics, Image Processing On Line 11, 2021",
            "T. Bianchi, A. Piva, Image forgery localization via block-grained analysis of JPEG artifacts, "
            "IEEE TIFS 7(3), 2012",
            "Z. Lin et al., Fast, automatic and fine-grained tampered JPEG image detection via DCT coefficient "
            "analysis, Pattern Recognition 42, 2009",
        ),
    )
    settings_type: ClassVar[type[BaseModel]] = JpegForensicsSettings

    def __init__(self, settings: JpegForensicsSettings) -> None:
        super().__init__(settings)
        self._device = torch.device("cpu")
        self._recent: OrderedDict[str, Examination] = OrderedDict()

    def load(self, device: str) -> None:
        """Choose the device; there are no weights."""
        self._device = torch.device(device)

    def prepare(self, media: Media) -> Picture:
        """Decode to luminance, in the stored frame. See `decoding.decode` for the errors."""
        return decode(media, self.settings.max_pixels)

    def infer(self, batch: Sequence[Picture]) -> list[Finding]:
        """Judge a batch; pictures of one shape go through the device together.

        A finding does not depend on what else is in the batch, nor on the device. Boxes are in the upright frame.
        """
        findings: dict[int, Finding] = {}
        for members in _by_shape(batch):
            pictures = [batch[index] for index in members]
            for index, picture, examination in zip(members, pictures, self._examine(pictures), strict=True):
                findings[index] = conclude(picture, examination)
        return [findings[index] for index in range(len(batch))]

    def explain(self, prepared: Picture, finding: Finding) -> Iterable[Rendering]:
        """Draw the heat map; what `infer` measured is measured again if it is no longer remembered."""
        del finding
        examination = self._recent.get(prepared.sha256) or self._examine([prepared])[0]
        yield Rendering(
            name="heatmap.png",
            media_type="image/png",
            data=render(prepared, heat(prepared, examination), examination.double_grid),
            title="The picture in gray; the brighter the colour, the more a part's compression differs from the rest.",
        )

    def _examine(self, pictures: Sequence[Picture]) -> list[Examination]:
        try:
            examinations = examine(pictures, self._device)
        except torch.OutOfMemoryError as error:
            raise DeviceMemoryError("The device has no memory left for this batch.") from error
        for picture, examination in zip(pictures, examinations, strict=True):
            self._recent[picture.sha256] = examination
            while len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)
        return examinations


def _by_shape(batch: Sequence[Picture]) -> list[list[int]]:
    """Indices of the pictures that have one shape, in the order of their first."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, picture in enumerate(batch):
        groups.setdefault(picture.luma.shape, []).append(index)
    return list(groups.values())
