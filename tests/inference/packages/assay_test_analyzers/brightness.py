"""A small analyzer that is real: mean brightness of grey pictures (binary PGM), judged by torch."""

import io
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from assay.sdk import (
    Analyzer,
    AnalyzerManifest,
    Evidence,
    Finding,
    Media,
    MediaUnreadableError,
    NotApplicableError,
    Rendering,
    Weights,
)

Pixels = NDArray[np.uint8]
WEIGHTS = "ab" * 32


class BrightnessSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float = 0.5


class Brightness(Analyzer[Pixels]):
    """Claims `bright`. Its score is the mean of the pixels; a picture under 8 pixels wide says too little."""

    manifest: ClassVar[AnalyzerManifest] = AnalyzerManifest(
        name="brightness",
        version="1.2.3",
        title="Brightness",
        description="Tells bright pictures from dark ones.",
        media_types=("image/x-portable-graymap",),
        claims=("bright",),
        labels=("bright", "no_findings"),
        max_bytes=8 * 1024 * 1024,
        time_limit_s=30,
        weights=(Weights(name="none.bin", sha256=WEIGHTS, source="made up for a test", licence="Apache-2.0"),),
        domain="Pictures made by tests",
    )
    settings_type: ClassVar[type[BaseModel]] = BrightnessSettings
    settings: BrightnessSettings

    def load(self, device: str) -> None:
        import torch

        self._torch: Any = torch
        self._device = torch.device(device)

    def prepare(self, media: Media) -> Pixels:
        magic, size, depth, pixels = media.path.read_bytes().split(b"\n", 3)
        if magic != b"P5" or depth != b"255":
            raise MediaUnreadableError("This is no grey picture.")
        width, height = (int(part) for part in size.split())
        if width < 8:
            raise NotApplicableError("The picture is less than 8 pixels wide.")
        return np.frombuffer(pixels, np.uint8).reshape(height, width)

    def infer(self, batch: Sequence[Pixels]) -> list[Finding]:
        means = [float(self._torch.from_numpy(each).to(self._device).float().mean() / 255) for each in batch]
        return [
            Finding(
                label="bright" if mean > self.settings.threshold else "no_findings",
                claim="bright",
                score=round(mean, 4),
                confidence=0.9,
                evidence=(Evidence(text=f"The mean is {mean:.2f}.", weight=mean),),
                details={"mean": mean, "batch": len(batch), "pixels": list(each.shape)},
            )
            for mean, each in zip(means, batch, strict=True)
        ]

    def explain(self, prepared: Pixels, finding: Finding) -> Iterable[Rendering]:
        out = io.BytesIO()
        np.save(out, prepared // 2)
        yield Rendering("half.npy", "application/octet-stream", out.getvalue(), "The picture at half its brightness.")
