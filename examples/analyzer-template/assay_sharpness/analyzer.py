"""The analyzer: how files become findings."""

import io
from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from safetensors.numpy import load_file

from assay.sdk import (
    INCONCLUSIVE,
    NO_FINDINGS,
    Analyzer,
    AnalyzerManifest,
    Evidence,
    Finding,
    Media,
    Rendering,
    Weights,
)
from assay_sharpness.measuring import contrast, features, local_sharpness
from assay_sharpness.reading import luminance

BLURRED = "blurred"
WEIGHTS = "sharpness.safetensors"
LEAST_CONTRAST = 1.5

Luminance = NDArray[np.uint8]


class SharpnessSettings(BaseModel):
    """ASSAY_ANALYZER__SHARPNESS__<FIELD>."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_pixels: int = Field(default=50_000_000, ge=1024, description="Pictures with more pixels are not examined")


class Sharpness(Analyzer[Luminance]):
    """A logistic regression on two measures of blur; `train.py` makes its weights."""

    manifest: ClassVar[AnalyzerManifest] = AnalyzerManifest(
        name="sharpness",
        version="1.0.0",
        title="Sharpness",
        description="Tells whether a whole picture is blurred, and shows where it is sharp.",
        media_types=("image/jpeg", "image/png", "image/webp"),
        claims=(BLURRED,),
        labels=(BLURRED, NO_FINDINGS, INCONCLUSIVE),
        max_bytes=64 * 1024 * 1024,
        time_limit_s=30,
        weights=(
            Weights(
                name=WEIGHTS,
                sha256="95d0cccfe7e1ea48974d8b4ef8be9bf052470796fbd1cb79a824b1642eba6d81",
                source="train.py beside this package",
                licence="Apache-2.0",
                size=284,
                url=f"package:assay_sharpness/{WEIGHTS}",
            ),
        ),
        domain="Evaluated on pictures drawn by train.py only, blurred by a Gaussian of 1.5 to 4 pixels. Motion blur, "
        "strong grain and pictures that were enlarged afterwards mislead it.",
        sources=(
            "F. Crete et al., The blur effect: perception and estimation with a new no-reference perceptual blur "
            "metric, Proc. SPIE 6492, 2007",
        ),
    )
    settings_type: ClassVar[type[BaseModel]] = SharpnessSettings
    settings: SharpnessSettings
    max_batch: ClassVar[int | None] = 16

    def load(self, device: str) -> None:
        """Read the weights. Numbers as few as these stay on the CPU, whatever the device is."""
        del device
        tensors = load_file(self.weights[WEIGHTS])
        self._mean, self._scale = tensors["mean"], tensors["scale"]
        self._coefficients, self._intercept = tensors["coefficients"], float(tensors["intercept"][0])
        self.infer([np.zeros((64, 64), np.uint8)])

    def prepare(self, media: Media) -> Luminance:
        """Decode: uint8 (H, W), luminance 0..255. See `reading.luminance` for the errors."""
        return luminance(media.path, self.settings.max_pixels)

    def batch_key(self, prepared: Luminance) -> tuple[int, ...]:
        """Pictures of one size are measured together."""
        return prepared.shape

    def infer(self, batch: Sequence[Luminance]) -> list[Finding]:
        """Measure and judge pictures of one size."""
        if not batch:
            return []
        pictures = np.stack(batch).astype(np.float32)
        measured = features(pictures)
        logits = (measured - self._mean) / self._scale @ self._coefficients + self._intercept
        return [
            self._finding(1 / (1 + float(np.exp(-logit))), float(range_), [float(value) for value in values])
            for logit, range_, values in zip(logits, contrast(pictures), measured, strict=True)
        ]

    def explain(self, prepared: Luminance, finding: Finding) -> Iterable[Rendering]:
        """A map of local sharpness."""
        del finding
        out = io.BytesIO()
        Image.fromarray(local_sharpness(prepared.astype(np.float32))).save(out, "PNG")
        title = "The brighter, the sharper: fine detail against coarse detail, in squares of 8 pixels."
        yield Rendering("sharpness.png", "image/png", out.getvalue(), title)

    def _finding(self, score: float, range_: float, values: list[float]) -> Finding:
        details = {"blur_effect": values[0], "fine_to_coarse": values[1], "contrast": range_}
        if range_ < LEAST_CONTRAST:
            evidence = Evidence(text="The picture is nearly of one colour, so there are no edges to judge.")
            return Finding(INCONCLUSIVE, BLURRED, None, 0.0, (evidence,), {**details, "raw_score": score})
        share = f"Blurring it once more takes away {1 - values[0]:.0%} of the differences between neighbouring pixels."
        return Finding(
            label=BLURRED if score > 0.5 else NO_FINDINGS,
            claim=BLURRED,
            score=score,
            confidence=0.5,
            evidence=(Evidence(text=share, weight=float(np.log(max(score, 1e-6) / max(1 - score, 1e-6)))),),
            details=details,
        )
