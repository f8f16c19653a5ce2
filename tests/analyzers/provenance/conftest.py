"""Makes files to examine, and the analyzer to examine them with."""

import hashlib
import importlib.util
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from assay.inference.analyzers.provenance import Provenance, ProvenanceSettings
from assay.sdk import Finding, Media

SAMPLES = Path(__file__).parents[3] / "examples" / "samples"

Examine = Callable[..., Finding]


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    """The script that makes the signed sample; the tests sign with it."""
    spec = importlib.util.spec_from_file_location("make_ai_signed", SAMPLES / "make_ai_signed.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its own module up.
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def chain(samples: ModuleType) -> Any:
    return samples.make_chain("A test signer")


@pytest.fixture
def media(tmp_path: Path) -> Callable[[bytes, str], Media]:
    """A file with these bytes, under a name that says nothing."""

    def make(content: bytes, media_type: str = "image/jpeg") -> Media:
        sha256 = hashlib.sha256(content).hexdigest()
        path = tmp_path / sha256
        path.write_bytes(content)
        return Media(path, media_type, len(content), sha256)

    return make


@pytest.fixture
def examine(media: Callable[[bytes, str], Media], tmp_path: Path) -> Examine:
    """The finding on these bytes; `roots` is a PEM bundle of trusted authorities."""

    def run(content: bytes, media_type: str = "image/jpeg", roots: str | None = None) -> Finding:
        settings = ProvenanceSettings()
        if roots is not None:
            (tmp_path / "roots.pem").write_text(roots, encoding="utf-8")
            settings = ProvenanceSettings(trust_anchors=tmp_path / "roots.pem")
        analyzer = Provenance(settings)
        analyzer.load("cpu")
        return analyzer.infer([analyzer.prepare(media(content, media_type))])[0]

    return run


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """A small picture in a format; further arguments go to Pillow's `save`."""

    def make(kind: str = "JPEG", mode: str = "RGB", **options: Any) -> bytes:
        image = Image.linear_gradient("L").resize((96, 64)).convert(mode)
        encoded = BytesIO()
        image.save(encoded, kind, **options)
        return encoded.getvalue()

    return make
