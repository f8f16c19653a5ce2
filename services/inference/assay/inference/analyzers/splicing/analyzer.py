"""Parts that do not belong: the analyzer that the engine runs.

The processes that decode files import this module and never judge, so torch comes only with `load`.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from assay.inference.analyzers.splicing.labels import CLAIM, MANIPULATED
from assay.inference.analyzers.splicing.preparing import Prepared, prepare
from assay.inference.pictures import MAX_PIXELS
from assay.sdk import (
    INCONCLUSIVE,
    NO_FINDINGS,
    Analyzer,
    AnalyzerManifest,
    Finding,
    Media,
    Rendering,
    Weights,
)

if TYPE_CHECKING:
    from assay.inference.analyzers.splicing.judging import Judge


_WEIGHTS = Weights(
    name="comparator.safetensors",
    sha256="decec485fcdbe7c813ac0984b949926fc2abe2b2748f0121027bf9175f88e1f6",
    source="Trained here on unedited photos: python -m assay.inference.analyzers.splicing.training (README.md)",
    licence="Apache-2.0",
    size=35892,
    url="package:assay.inference.analyzers.splicing/comparator.safetensors",
)


class SplicingSettings(BaseModel):
    """ASSAY_ANALYZER__SPLICING__<FIELD>."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_pixels: int = Field(
        default=MAX_PIXELS, ge=10_000, le=MAX_PIXELS, description="Pictures with more pixels are not examined"
    )


class Splicing(Analyzer[Prepared]):
    """Finds parts of a picture that appear in it twice, and parts whose noise is unlike the rest.

    Copies are found by keypoints and by the noise's autocorrelation, and count only where the fine noise is the same
    too (`copies/`). Foreign parts show in the statistics of the residual noise, in the manner of Splicebuster
    (`residual/`).
    """

    manifest: ClassVar[AnalyzerManifest] = AnalyzerManifest(
        name="splicing",
        version="0.2.0",
        title="Spliced and copied parts",
        description="Looks for parts of a picture that appear in it twice, also turned or scaled, and for parts whose "
        "noise differs from the rest.",
        media_types=("image/jpeg", "image/png", "image/webp", "image/tiff", "image/bmp"),
        claims=(CLAIM,),
        weights=(_WEIGHTS,),
        labels=(MANIPULATED, NO_FINDINGS, INCONCLUSIVE),
        domain="Photos from 0.1 to 200 megapixels. Finds textured copies best, less in pictures strongly compressed "
        "after editing; larger pictures are searched for copies at 2.5 megapixels. Foreign parts are found only where "
        "their noise differs clearly, which strong compression and shrinking undo. In enlarged pictures only copies.",
        sources=(
            "D. Cozzolino, G. Poggi, L. Verdoliva, Splicebuster: a new blind image splicing detector, WIFS 2015",
            "I. Amerini, L. Ballan, R. Caldelli, A. Del Bimbo, G. Serra, A SIFT-based forensic method for copy-move "
            "attack detection and transformation recovery, IEEE TIFS 6(3), 2011",
            "G. D. Evangelidis, E. Z. Psarakis, Parametric image alignment using enhanced correlation coefficient "
            "maximization, IEEE TPAMI 30(10), 2008",
            "A. C. Gallagher, Detection of linear and cubic interpolation in JPEG compressed images, CRV 2005",
        ),
    )
    settings_type: ClassVar[type[BaseModel]] = SplicingSettings

    def __init__(self, settings: SplicingSettings) -> None:
        super().__init__(settings)
        self._judge: Judge | None = None

    def load(self, device: str) -> None:
        """Choose the device and warm up."""
        from assay.inference.analyzers.splicing.judging import Judge

        self._judge = Judge(device, self.weights[_WEIGHTS.name])
        self._judge.warm_up()

    def prepare(self, media: Media) -> Prepared:
        """Decode to luminance and search for copies. See `preparing.prepare` for the errors."""
        return prepare(media, self.settings.max_pixels)

    def batch_key(self, prepared: Prepared) -> Hashable:
        """Pictures of one shape go together."""
        return prepared.luma.shape

    def infer(self, batch: Sequence[Prepared]) -> list[Finding]:
        """Judge a batch; a finding does not depend on what else is in it, nor on the device."""
        assert self._judge is not None, "load comes first"
        return self._judge.conclusions(batch)

    def explain(self, prepared: Prepared, finding: Finding) -> Iterable[Rendering]:
        """Draw the heat map, the mask, and where copies are the pairs of parts."""
        assert self._judge is not None, "load comes first"
        del finding
        yield from self._judge.drawings(prepared)
