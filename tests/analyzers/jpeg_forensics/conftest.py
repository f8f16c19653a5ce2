import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from assay.inference.analyzers.jpeg_forensics import JpegForensics, JpegForensicsSettings
from assay.inference.analyzers.jpeg_forensics.decoding import Picture
from assay.sdk import Finding, Media

Judge = Callable[[bytes], Finding]
Prepare = Callable[[bytes], Picture]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small tensors: threads that wait for each other take most of the time where other tests run, too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def analyzer() -> JpegForensics:
    analyzer = JpegForensics(JpegForensicsSettings())
    analyzer.load("cpu")
    return analyzer


@pytest.fixture
def prepare(analyzer: JpegForensics, tmp_path: Path) -> Prepare:
    def prepare(content: bytes) -> Picture:
        path = tmp_path / "content"
        path.write_bytes(content)
        return analyzer.prepare(Media(path, "image/jpeg", len(content), hashlib.sha256(content).hexdigest()))

    return prepare


@pytest.fixture
def judge(analyzer: JpegForensics, prepare: Prepare) -> Judge:
    def judge(content: bytes) -> Finding:
        return analyzer.infer([prepare(content)])[0]

    return judge
