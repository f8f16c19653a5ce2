"""Swapped and re-enacted faces: the analyzer that the engine runs.

The processes that decode files import this module and never judge, so torch comes only with `load`.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from assay.inference.analyzers.face_manipulation.labels import CLAIM, MANIPULATED
from assay.inference.analyzers.face_manipulation.picture import Prepared, decode
from assay.inference.analyzers.face_manipulation.weights import FILES
from assay.sdk import INCONCLUSIVE, Analyzer, AnalyzerManifest, Finding, Media, NoSettings, Rendering

if TYPE_CHECKING:
    from assay.inference.analyzers.face_manipulation.judging import Judge


class FaceManipulation(Analyzer[Prepared]):
    """Finds faces and judges each by six small networks of 2018 and 2019 (README.md tells how little they know)."""

    manifest: ClassVar[AnalyzerManifest] = AnalyzerManifest(
        name="face-manipulation",
        version="0.1.0",
        title="Swapped and re-enacted faces",
        description="Finds the faces in a picture and looks at each for traces of a face swap or of a face driven by "
        "another person's expressions.",
        media_types=("image/jpeg", "image/png", "image/webp", "image/tiff", "image/bmp"),
        claims=(CLAIM,),
        labels=(MANIPULATED, INCONCLUSIVE),
        weights=FILES,
        domain="Upright faces of 64 pixels and more, as in the videos of 2018 on which the networks were trained. At "
        "chance on the swaps of the Deepfake Detection Challenge (2020) and on faces retouched by hand, so it is "
        "inconclusive about most pictures. Says nothing about wholly generated faces.",
        sources=(
            "D. Afchar et al., MesoNet: a Compact Facial Video Forgery Detection Network, WIFS 2018",
            "H. H. Nguyen et al., Multi-task Learning for Detecting and Segmenting Manipulated Facial Images and "
            "Videos, BTAS 2019",
            "V. Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs, 2019",
            "Linzaer, Ultra-Light-Fast-Generic-Face-Detector-1MB, 2019",
        ),
    )
    max_batch: ClassVar[int | None] = 8
    device_memory_mb: ClassVar[int] = 700

    def __init__(self, settings: NoSettings) -> None:
        super().__init__(settings)
        self._judge: Judge | None = None

    def load(self, device: str) -> None:
        """Read the weights of both detectors and all networks, and run each once."""
        from assay.inference.analyzers.face_manipulation.judging import Judge

        self._judge = Judge(self.weights, device)
        self._judge.warm_up()

    def prepare(self, media: Media) -> Prepared:
        """Decode, upright and of bounded size, and cut into windows. See `picture.decode` for the errors."""
        return decode(media)

    def infer(self, batch: Sequence[Prepared]) -> list[Finding]:
        """Judge a batch: the faces of all its pictures go through the networks together.

        Boxes are in the upright frame. Raises NotApplicableError where a picture has no face; the engine then asks for
        each picture alone, which costs nothing: what was examined is remembered.
        """
        from assay.inference.analyzers.face_manipulation.conclusion import conclude

        assert self._judge is not None, "load comes first"
        examinations = self._judge.examine(batch)
        return [conclude(picture, examination) for picture, examination in zip(batch, examinations, strict=True)]

    def explain(self, prepared: Prepared, finding: Finding) -> Iterable[Rendering]:
        """Draw the faces; what `infer` found is looked for again if it is no longer remembered."""
        from assay.inference.analyzers.face_manipulation.drawing import renderings

        assert self._judge is not None, "load comes first"
        (examination,) = self._judge.examine([prepared])
        yield from renderings(prepared, examination)
