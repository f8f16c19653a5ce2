"""Runs an analyzer over pictures as the inference service does: its plug-in, its weights, its sandbox, its batches.

with opened("jpeg-forensics") as judge:
    for judgement in judge.judge(pictures): ...
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import Image

from assay.contracts import AnalyzerManifest, Verdict
from assay.inference import plugins, verdicts
from assay.inference.device import Device, choose
from assay.inference.engine import Engine
from assay.inference.models import ModelStore, WeightsError, sha256_of
from assay.inference.sandbox import Sandbox
from assay.inference.settings import Settings
from assay.sdk import Finding, Media, NotApplicableError
from assay.shared.media_types import BLOCK_BYTES, MediaTypes, Sample
from assay.shared.settings import KafkaSettings, S3Settings
from evaluation.reserved import sha256_of as remembered_sha256_of
from evaluation.sets import Labelled

MASK = "mask.png"
"""The artifact in which an analyzer marks what was edited, in white."""


class LeftOutError(Exception):
    """An analyzer cannot be measured here; the text is one line that says why, and what helps."""


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What an analyzer said of one picture.

    verdict   as it would be published; None where the analysis failed
    raw       its raw score, of whatever label: `details.raw_score` of the finding, else the verdict's score; None where
              there is neither (not applicable, failed)
    error     the code of a failed analysis
    cpu_s     seconds of CPU, of all processes: the mean of the pictures that were judged together
    """

    picture: Labelled
    verdict: Verdict | None
    raw: float | None
    error: str | None
    cpu_s: float

    @property
    def label(self) -> str:
        return self.verdict.label if self.verdict else "failed"

    @property
    def score(self) -> float | None:
        return self.verdict.score if self.verdict else None


@dataclass(slots=True)
class Pace:
    """How long the pictures of a judge took, all together."""

    pictures: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0


class Judge:
    """An analyzer that is loaded and warm."""

    def __init__(self, engine: Engine, runner: asyncio.Runner) -> None:
        self._engine = engine
        self._runner = runner
        self._types = MediaTypes()
        self.pace = Pace()

    @property
    def engine(self) -> Engine:
        return self._engine

    @property
    def manifest(self) -> AnalyzerManifest:
        return self._engine.manifest

    @property
    def weights_sha256(self) -> str | None:
        return verdicts.weights_hash(self.manifest)

    def judge(self, pictures: Sequence[Labelled]) -> list[Judgement]:
        """Judge all of them, in order. What the analyzer raises is noted with the picture."""
        began, cpu = time.monotonic(), _cpu_s()
        ends = self._runner.run(self._all(pictures))
        wall_s, cpu_s = time.monotonic() - began, _cpu_s() - cpu
        self.pace.pictures += len(pictures)
        self.pace.wall_s += wall_s
        self.pace.cpu_s += cpu_s
        each_s = cpu_s / max(1, len(pictures))
        return [Judgement(picture, *end, each_s) for picture, end in zip(pictures, ends, strict=True)]

    def masks(self, pictures: Sequence[Labelled]) -> list[NDArray[np.bool_] | None]:
        """What the analyzer marks, as large as the picture: its artifact `mask.png`. None where it draws none."""
        return self._runner.run(self._all_masks(pictures))

    async def _all_masks(self, pictures: Sequence[Labelled]) -> list[NDArray[np.bool_] | None]:
        return [await self._mask(picture.path) for picture in pictures]

    async def _mask(self, path: Path) -> NDArray[np.bool_] | None:
        media = await self._media(path)
        async with self._engine.place(urgent=True) as place:
            async with place.child() as child:
                prepared = await place.prepare(child, media, self.manifest.time_limit_s)
            finding = await place.infer(prepared)
        for rendering in await self._engine.explain(prepared, finding):
            if rendering.name == MASK:
                return await asyncio.to_thread(_marked, rendering.data, path)
        return None

    async def _all(self, pictures: Sequence[Labelled]) -> list[tuple[Verdict | None, float | None, str | None]]:
        return list(await asyncio.gather(*(self._one(picture.path) for picture in pictures)))

    async def _one(self, path: Path) -> tuple[Verdict | None, float | None, str | None]:
        try:
            async with self._engine.place(urgent=True) as place:
                media = await self._media(path)
                async with place.child() as child:
                    prepared = await place.prepare(child, media, self.manifest.time_limit_s)
                finding = await place.infer(prepared)
            details, _ = verdicts.bounded(finding)
            return verdicts.conclude(self.manifest, finding, details, ()), _raw_score(finding), None
        except NotApplicableError as reason:
            return verdicts.not_applicable(self.manifest, str(reason)), None, None
        except Exception as error:  # as in the service: whatever it is, it is this picture's alone
            return None, None, str(getattr(error, "code", type(error).__name__))

    async def _media(self, path: Path) -> Media:
        sample = await asyncio.to_thread(_sample, path)
        return Media(path, (await self._types.of(sample)).name, sample.size, remembered_sha256_of(path))


@contextmanager
def opened(name: str) -> Iterator[Judge]:
    """The analyzer of this name, with the settings that the worker reads (ASSAY_MODELS__PATH, ASSAY_DEVICE, …).

    Raises LeftOutError where it is not installed, cannot be imported or has no weights here.
    """
    settings = worker_settings()
    plugin, analyzer = _made(name, settings)
    try:
        weights = ModelStore(settings.models.path, sha256_of).find_all(analyzer.manifest)
    except WeightsError as error:
        raise LeftOutError(f"{name}: {error}") from error
    with tempfile.TemporaryDirectory(prefix="assay-evaluation-") as folder, asyncio.Runner() as runner:
        sandbox = Sandbox(
            plugin,
            folder=Path(folder) / "sandbox",
            processes=settings.sandbox_processes,
            memory_mb=settings.sandbox.memory_mb,
        )
        engine = Engine(analyzer, sandbox, Device(choose(settings.device)), settings.engine)
        try:
            try:
                engine.equip(weights)
                runner.run(engine.open())
            except Exception as error:  # as in the worker: whatever an analyzer raises, the others go on
                raise LeftOutError(f"{name}: {type(error).__name__}: {error}") from error
            yield Judge(engine, runner)
        finally:
            engine.close()


def installed() -> dict[str, AnalyzerManifest]:
    """The manifests of the installed analyzers that take pictures."""
    return {
        name: manifest
        for name, manifest in plugins.installed_manifests().items()
        if isinstance(manifest, AnalyzerManifest) and manifest.takes("image/jpeg")
    }


def worker_settings() -> Settings:
    """What the worker reads from the environment; nothing here reaches a broker or a store."""
    nowhere = S3Settings(access_key_id="none", secret_access_key="none")
    return Settings(kafka=KafkaSettings(bootstrap_servers="none"), s3=nowhere)


def _made(name: str, settings: Settings) -> tuple[plugins.Plugin, Any]:
    try:
        found = {plugin.name: plugin for plugin in plugins.find(settings)}
        if name not in found:
            raise LeftOutError(f"{name}: no analyzer of this name is installed")
        return found[name], found[name].make()
    except LeftOutError:
        raise
    except Exception as error:  # a wrong setting, or what an analyzer's import raises
        raise LeftOutError(f"{name}: {error}") from error


def _marked(mask: bytes, path: Path) -> NDArray[np.bool_]:
    """What is white in a mask, as large as the picture of the path."""
    with Image.open(path) as picture, Image.open(BytesIO(mask)) as image:
        return np.asarray(image.convert("L").resize(picture.size, Image.Resampling.NEAREST)) > 127


def _sample(path: Path) -> Sample:
    sample = Sample()
    with path.open("rb") as file:
        while block := file.read(16 * BLOCK_BYTES):
            sample.add(block)
    return sample


def _raw_score(finding: Finding) -> float | None:
    raw = finding.details.get("raw_score", finding.score)
    return None if raw is None else float(raw)


def _cpu_s() -> float:
    """Seconds of CPU that this process and its descendants have taken."""
    own = psutil.Process(os.getpid())
    times = own.cpu_times()
    total = times.user + times.system
    for child in own.children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
