"""JPEG compression traces: the analyzer that the engine runs.

The processes that decode files import this module and never judge, so torch comes only with `load`.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from assay.inference.analyzers.jpeg_forensics.decoding import Picture, decode
from assay.inference.analyzers.jpeg_forensics.labels import CLAIM, MANIPULATED
from assay.inference.pictures import MAX_PIXELS
from assay.sdk import (
    INCONCLUSIVE,
    NO_FINDINGS,
    Analyzer,
    AnalyzerManifest,
    Finding,
    Media,
    Rendering,
)

if TYPE_CHECKING:
    from assay.inference.analyzers.jpeg_forensics.judging import Judge


class JpegForensicsSettings(BaseModel):
    """ASSAY_ANALYZER__JPEG_FORENSICS__<FIELD>."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_pixels: int = Field(default=MAX_PIXELS, ge=4096, description="Pictures with more pixels are not examined")


class JpegForensics(Analyzer[Picture]):
    """Finds parts of a picture whose JPEG compression history differs from the rest; nothing is trained.

    Two traces are read: blocks on another grid (ZERO, Nikoukhah et al. 2021; `grids.py`), and blocks without the
    double quantisation of the rest (Lin et al. 2009, Bianchi and Piva 2012; `double.py`). JPEG ghosts (Farid 2009)
    look for the same trace as the second by saving again at many qualities; the likelihood model uses more of it, so
    ghosts and error levels are drawn for the eye, and no verdict rests on them (`seeing.py`). What the file itself
    tells of its savings is evidence without weight (`history.py`).
    """

    manifest: ClassVar[AnalyzerManifest] = AnalyzerManifest(
        name="jpeg-forensics",
        version="0.2.0",
        title="JPEG compression traces",
        description="Looks for parts of a picture that were compressed differently from the rest: on another block "
        "grid, or without the double compression that the rest went through. Tells how the file was saved, and what "
        "savings went before.",
        media_types=("image/jpeg", "image/png", "image/webp", "image/tiff", "image/bmp"),
        claims=(CLAIM,),
        labels=(MANIPULATED, NO_FINDINGS, INCONCLUSIVE),
        domain="Photos that were JPEGs once, from 0.1 to 200 megapixels. Finds what was pasted into a JPEG that is "
        "then saved at a higher quality than before, or without loss. Blind to editing before the first compression, "
        "to pictures resized after editing, and to most of those saved at a lower quality than before.",
        sources=(
            "T. Nikoukhah et al., ZERO: a local JPEG grid origin detector based on the number of DCT zeros and its "
            "applications in image forensics, Image Processing On Line 11, 2021",
            "T. Bianchi, A. Piva, Image forgery localization via block-grained analysis of JPEG artifacts, "
            "IEEE TIFS 7(3), 2012",
            "Z. Lin et al., Fast, automatic and fine-grained tampered JPEG image detection via DCT coefficient "
            "analysis, Pattern Recognition 42, 2009",
            "H. Farid, Exposing digital forgeries from JPEG ghosts, IEEE TIFS 4(1), 2009 (for the eye)",
        ),
    )
    settings_type: ClassVar[type[BaseModel]] = JpegForensicsSettings

    def __init__(self, settings: JpegForensicsSettings) -> None:
        super().__init__(settings)
        self._judge: Judge | None = None

    def load(self, device: str) -> None:
        """Choose the device and warm up; there are no weights."""
        from assay.inference.analyzers.jpeg_forensics.judging import Judge

        self._judge = Judge(device)
        self._judge.warm_up()

    def prepare(self, media: Media) -> Picture:
        """Decode to luminance, in the stored frame. See `decoding.decode` for the errors."""
        return decode(media, self.settings.max_pixels)

    def infer(self, batch: Sequence[Picture]) -> list[Finding]:
        """Judge a batch; pictures of one shape go through the device together.

        A finding does not depend on what else is in the batch, nor on the device. Boxes are in the upright frame.
        """
        assert self._judge is not None, "load comes first"
        return self._judge.conclusions(batch)

    def explain(self, prepared: Picture, finding: Finding) -> Iterable[Rendering]:
        """Draw the heat map, and for the eye JPEG ghosts and error levels. See `judging.Judge.drawings`."""
        del finding
        assert self._judge is not None, "load comes first"
        yield from self._judge.drawings(prepared)
