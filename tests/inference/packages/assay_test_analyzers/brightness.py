"""A small analyzer that is real: mean brightness of grey pictures (binary PGM), judged by torch."""

import io
import json
import re
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
WEIGHTS = "90c40544450c278bdb878bbbca8d8cc18379eb3a1a09d81aa8adaac125471704"


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
        weights=(
            Weights(
                name="brightness.json",
                sha256=WEIGHTS,
                source="chosen by hand",
                licence="Apache-2.0",
                size=14,
                url="package:assay_test_analyzers/brightness.json",
            ),
        ),
        domain="Pictures made by tests",
        sources=("ITU-R BT.601",),
    )
    settings_type: ClassVar[type[BaseModel]] = BrightnessSettings
    settings: BrightnessSettings

    def load(self, device: str) -> None:
        import torch

        self._torch: Any = torch
        self._device = torch.device(device)
        self._gain = float(json.loads(self.weights["brightness.json"].read_bytes())["gain"])

    def prepare(self, media: Media) -> Pixels:
        head = re.match(rb"P5\n(\d{1,5}) (\d{1,5})\n255\n", data := media.path.read_bytes())
        if head is None:
            raise MediaUnreadableError("This is no grey picture.")
        width, height = (int(part) for part in head.groups())
        if len(data) - head.end() != width * height:
            raise MediaUnreadableError("The picture is cut off.")
        if width < 8:
            raise NotApplicableError("The picture is less than 8 pixels wide.")
        return np.frombuffer(data, np.uint8, offset=head.end()).reshape(height, width).copy()

    def infer(self, batch: Sequence[Pixels]) -> list[Finding]:
        means = [self._mean(each) for each in batch]
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

    def _mean(self, pixels: Pixels) -> float:
        mean = self._torch.from_numpy(pixels).to(self._device).float().mean() / 255
        return self._gain * float(mean)

    def explain(self, prepared: Pixels, finding: Finding) -> Iterable[Rendering]:
        out = io.BytesIO()
        np.save(out, prepared // 2)
        yield Rendering("half.npy", "application/octet-stream", out.getvalue(), "The picture at half its brightness.")
