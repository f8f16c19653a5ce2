import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from assay.inference.analyzers.synthetic_image import SyntheticImage, SyntheticImageSettings
from assay.inference.analyzers.synthetic_image.looking import View
from assay.sdk import Media, packed_weights

Prepare = Callable[[bytes], View]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small tensors: threads that wait for each other take most of the time where other tests run, too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def analyzer() -> SyntheticImage:
    analyzer = SyntheticImage(SyntheticImageSettings())
    analyzer.weights = packed_weights(analyzer.manifest)
    analyzer.load("cpu")
    return analyzer


@pytest.fixture
def prepare(analyzer: SyntheticImage, tmp_path: Path) -> Prepare:
    def prepare(content: bytes) -> View:
        path = tmp_path / "content"
        path.write_bytes(content)
        return analyzer.prepare(Media(path, "image/jpeg", len(content), hashlib.sha256(content).hexdigest()))

    return prepare
