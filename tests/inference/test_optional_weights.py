"""What an engine says of weights that its analyzer can do without."""

from pathlib import Path
from typing import Any

import pytest

from assay.inference.device import Device
from assay.inference.engine import Engine
from assay.inference.settings import EngineSettings
from assay.inference.verdicts import weights_hash
from assay.sdk import Analyzer, AnalyzerManifest, Finding, Media, NoSettings, Weights

NEEDED, OPTIONAL = (
    Weights(name=f"{name}.bin", sha256=digit * 64, source="a page", licence="MIT", required=name == "needed")
    for name, digit in (("needed", "1"), ("optional", "2"))
)


class Example(Analyzer[bytes]):
    manifest = AnalyzerManifest(
        name="example",
        version="1.0.0",
        title="t",
        description="d",
        media_types=("image/png",),
        claims=("odd",),
        labels=("odd",),
        domain="tests",
        weights=(NEEDED, OPTIONAL),
    )

    def prepare(self, media: Media) -> bytes:
        return media.path.read_bytes()

    def infer(self, batch: Any) -> list[Finding]:
        return [Finding("odd", "odd", 0.5, 0.5) for _ in batch]


class NoSandbox:
    processes = 1

    def close(self) -> None:
        """There is nothing to end."""


@pytest.mark.parametrize(
    ("files", "kept"), [(("needed.bin",), (NEEDED,)), (("needed.bin", "optional.bin"), (NEEDED, OPTIONAL))]
)
def test_the_manifest_names_the_weights_that_judge(files: tuple[str, ...], kept: tuple[Weights, ...]) -> None:
    analyzer = Example(NoSettings())
    engine = Engine(analyzer, NoSandbox(), Device("cpu"), EngineSettings())  # type: ignore[arg-type]
    whole = weights_hash(engine.manifest)
    paths = {name: Path(name) for name in files}
    engine.equip(paths)
    assert analyzer.weights == paths
    assert engine.manifest.weights == kept
    assert (weights_hash(engine.manifest) == whole) is (len(kept) == 2)
    engine.close()
