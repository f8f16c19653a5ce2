"""What the tests of all analyzers share. Each folder has an `analyzer` of its own, loaded on the CPU."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from assay.sdk import Analyzer, Finding, Media
from assay.sdk.torch import gradients_off

Prepare = Callable[[bytes], Any]
Judge = Callable[[bytes], Finding]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small tensors: threads that wait for each other take most of the time where other tests run, too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def prepare(analyzer: Analyzer[Any], tmp_path: Path) -> Prepare:
    def prepare(content: bytes) -> Any:
        path = tmp_path / "content"
        path.write_bytes(content)
        return analyzer.prepare(Media(path, "image/jpeg", len(content), hashlib.sha256(content).hexdigest()))

    return prepare


@pytest.fixture
def judge(analyzer: Analyzer[Any], prepare: Prepare) -> Judge:
    def judge(content: bytes) -> Finding:
        with gradients_off():
            return analyzer.infer([prepare(content)])[0]

    return judge
