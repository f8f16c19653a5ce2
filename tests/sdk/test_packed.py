"""Weights inside a package are found without importing it."""

import sys
from pathlib import Path

import pytest

from assay.sdk import AnalyzerManifest, Weights, packed, packed_weights


def weights(url: str | None, name: str = "net.bin") -> Weights:
    return Weights(name=name, sha256="0" * 64, source="made by a test", licence="Apache-2.0", url=url)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "assay_packed_example"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "data" / "net.bin").write_bytes(b"weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_it_is_found_in_the_folder_of_the_package(package: Path) -> None:
    assert packed(weights("package:assay_packed_example/data/net.bin")) == package / "data" / "net.bin"
    assert "assay_packed_example" not in sys.modules


@pytest.mark.parametrize("url", [None, "https://example.org/net.bin", "s3://bucket/net.bin"])
def test_what_lies_elsewhere_is_not_packed(url: str | None) -> None:
    assert packed(weights(url)) is None


@pytest.mark.parametrize(
    "url",
    [
        "package:assay_packed_example/data/other.bin",
        "package:assay_packed_example/../net.bin",
        "package:assay_packed_example//etc/hostname",
        "package:assay_packed_example",
        "package:assay_no_such_package/net.bin",
        "package:assay_no_such_package.inner/net.bin",
        "package:/net.bin",
    ],
)
def test_what_is_not_there_is_named(package: Path, url: str) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        packed(weights(url))
    assert url in str(caught.value)


def test_all_packed_weights_of_a_manifest_by_name(package: Path) -> None:
    manifest = AnalyzerManifest(
        name="packed",
        version="1.0.0",
        title="t",
        description="d",
        media_types=("image/png",),
        claims=("odd",),
        labels=("odd",),
        domain="tests",
        weights=(weights("package:assay_packed_example/data/net.bin"), weights(None, "large.bin")),
    )
    assert packed_weights(manifest) == {"net.bin": package / "data" / "net.bin"}
