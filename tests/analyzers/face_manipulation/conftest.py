import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from analyzers.face_manipulation.made import made_analyzer

from assay.inference.analyzers.face_manipulation import FaceManipulation
from assay.inference.analyzers.face_manipulation.picture import Prepared
from assay.sdk import Finding, Media
from assay.sdk.torch import gradients_off

Prepare = Callable[[bytes], Prepared]
Judge = Callable[[bytes], Finding]


@pytest.fixture(scope="session")
def analyzer(tmp_path_factory: pytest.TempPathFactory) -> FaceManipulation:
    """With made weights, on the CPU."""
    analyzer = made_analyzer(tmp_path_factory.mktemp("weights"))
    with gradients_off():
        analyzer.load("cpu")
    return analyzer


@pytest.fixture
def prepare(analyzer: FaceManipulation, tmp_path: Path) -> Prepare:
    def prepare(content: bytes) -> Prepared:
        path = tmp_path / "content"
        path.write_bytes(content)
        return analyzer.prepare(Media(path, "image/png", len(content), hashlib.sha256(content).hexdigest()))

    return prepare


@pytest.fixture
def judge(analyzer: FaceManipulation, prepare: Prepare) -> Judge:
    def judge(content: bytes) -> Finding:
        with gradients_off():
            return analyzer.infer([prepare(content)])[0]

    return judge
