"""The analyzers that are measured with. The same code runs in our worker, in the bare loop, in Celery and in Karton."""

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from assay.sdk import Analyzer, AnalyzerManifest, Evidence, Finding, Media, MediaUnreadableError

SIDE = 224
SLEEP_S = 0.05
LABELS = ("bright", "no_findings")

Pixels = NDArray[np.uint8]


def _manifest(name: str, description: str) -> AnalyzerManifest:
    return AnalyzerManifest(
        name=name,
        version="1.0.0",
        title=name,
        description=description,
        media_types=("image/jpeg",),
        claims=("bright",),
        labels=LABELS,
        domain="Pictures made by the benchmark; its verdicts mean nothing",
    )


def _finding(score: float) -> Finding:
    return Finding(
        label=LABELS[score <= 0.5],
        claim="bright",
        score=round(score, 6),
        confidence=0.5,
        evidence=(Evidence(text=f"The network says {score:.3f}.", weight=score),),
    )


class PictureAnalyzer(Analyzer[Pixels]):
    """Decodes a JPEG to 224 x 224 pixels and has a network look at them."""

    @abstractmethod
    def network(self) -> Any:
        """The network, on the CPU."""

    def load(self, device: str) -> None:
        import torch

        self._torch: Any = torch
        self._device = torch.device(device)
        self._network = self.network().eval().to(self._device, memory_format=torch.channels_last)
        with torch.inference_mode():
            self.scores(np.zeros((2, SIDE, SIDE, 3), np.uint8))

    def prepare(self, media: Media) -> Pixels:
        """uint8 (224, 224, 3), RGB. The JPEG decoder itself scales down first, as one does for thumbnails."""
        try:
            with Image.open(media.path) as picture:
                picture.draft("RGB", (SIDE, SIDE))
                small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        except (UnidentifiedImageError, OSError) as error:
            raise MediaUnreadableError("This is no picture that can be read.") from error
        return np.asarray(small)

    def scores(self, batch: Pixels) -> list[float]:
        """uint8 (N, 224, 224, 3) to N probabilities."""
        torch = self._torch
        planes = torch.from_numpy(batch).to(self._device).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
        scores: list[float] = torch.softmax(self._network(planes), dim=1)[:, 0].tolist()
        return scores

    def infer(self, batch: Sequence[Pixels]) -> list[Finding]:
        return self.judge(np.stack(batch)) if batch else []

    def judge(self, batch: Pixels) -> list[Finding]:
        """As `infer`, for who has the batch in one piece already."""
        return [_finding(score) for score in self.scores(batch)]


class Heavy(PictureAnalyzer):
    manifest: ClassVar[AnalyzerManifest] = _manifest("bench-heavy", "ResNet-18 with random weights.")

    def network(self) -> Any:
        from bench.networks import resnet18

        return resnet18()


class Light(PictureAnalyzer):
    manifest: ClassVar[AnalyzerManifest] = _manifest("bench-light", "A small network with random weights.")

    def network(self) -> Any:
        from bench.networks import small

        return small()


class Sleeper(Analyzer[int]):
    """Known to take 50 ms for a batch, and nothing else."""

    manifest: ClassVar[AnalyzerManifest] = _manifest("bench-sleep", "Sleeps 50 ms.")

    def prepare(self, media: Media) -> int:
        return media.path.stat().st_size

    def infer(self, batch: Sequence[int]) -> list[Finding]:
        if batch:
            time.sleep(SLEEP_S)
        return [_finding(0.25) for _ in batch]


class Quick(Analyzer[int]):
    """Takes no time worth naming."""

    manifest: ClassVar[AnalyzerManifest] = _manifest("bench-quick", "Reads the file's size.")

    def prepare(self, media: Media) -> int:
        return media.path.stat().st_size

    def infer(self, batch: Sequence[int]) -> list[Finding]:
        return [_finding(0.75) for _ in batch]


KINDS: dict[str, Callable[[Any], Analyzer[Any]]] = {kind.manifest.name: kind for kind in (Heavy, Light, Sleeper, Quick)}
