import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from assay.inference.analyzers.splicing import Splicing, SplicingSettings
from assay.inference.analyzers.splicing.preparing import Prepared
from assay.sdk import Finding, Media
from assay.sdk.packed import packed_weights

Judge = Callable[[bytes], Finding]
Prepare = Callable[[bytes], Prepared]


def loaded(device: str = "cpu") -> Splicing:
    """A new one, as the engine makes it."""
    analyzer = Splicing(SplicingSettings())
    analyzer.weights = packed_weights(analyzer.manifest)
    analyzer.load(device)
    return analyzer


@pytest.fixture(scope="module")
def analyzer() -> Splicing:
    return loaded()


@pytest.fixture
def prepare(analyzer: Splicing, tmp_path: Path) -> Prepare:
    def prepare(content: bytes) -> Prepared:
        path = tmp_path / "content"
        path.write_bytes(content)
        return analyzer.prepare(Media(path, "image/jpeg", len(content), hashlib.sha256(content).hexdigest()))

    return prepare


@pytest.fixture
def judge(analyzer: Splicing, prepare: Prepare) -> Judge:
    def judge(content: bytes) -> Finding:
        return analyzer.infer([prepare(content)])[0]

    return judge
