"""An archive is uploaded: what is in its pictures is in its report."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from inference.archives import bomb, zipped
from support import analyzers
from support.product import SAMPLES, Product, running_product

TEXT = b"A letter to the editor, in plain words.\n"


@pytest.fixture(scope="module")
def unzipping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product with a stranger's analyzer of archives."""
    home = tmp_path_factory.mktemp("unzipping") / "home"
    path = analyzers.install(tmp_path_factory.mktemp("site"))
    with running_product(home, PYTHONPATH=path, ASSAY_ANALYZERS="unzipping,counting,jpeg-forensics") as product:
        yield product


def reported(product: Product, folder: Path, content: bytes) -> dict[str, Any]:
    path = folder / "archive.zip"
    path.write_bytes(content)
    return product.report(path)


def test_the_report_of_an_archive_says_what_was_found_inside(unzipping: Product, tmp_path: Path) -> None:
    pictures = [(SAMPLES / name).read_bytes() for name in ("landscape.jpg", "splice.jpg")]
    file = reported(unzipping, tmp_path, zipped([TEXT, zipped(pictures)]))
    report = file["run"]["report"]
    assert (file["media_type"], file["status"], report["label"]) == ("application/zip", "analyzed", "manipulated")
    assert {each["media_type"] for each in file["derived"]} == {"text/plain", "application/zip"}

    with unzipping.client() as client:
        (inner,) = [each for each in file["derived"] if each["media_type"] == "application/zip"]
        inner = client.get(f"/api/v1/files/{inner['file_id']}").json()
        assert inner["parent_file_id"] == file["file_id"]
        children = [client.get(f"/api/v1/files/{each['file_id']}").json() for each in inner["derived"]]
    labels = sorted(each["run"]["report"]["label"] for each in children)
    assert labels == ["manipulated", "no_findings"]
    # The first sentence of the archive's report points at the picture that it is about.
    (splice,) = [each for each in children if each["run"]["report"]["label"] == "manipulated"]
    assert report["evidence"][0]["where"]["derived_file_id"] == splice["file_id"]


def test_a_bomb_is_a_verdict(unzipping: Product, tmp_path: Path) -> None:
    file = reported(unzipping, tmp_path, bomb(10 << 30))
    assert (file["status"], file["derived"]) == ("analyzed", [])
    (analysis,) = file["run"]["analyses"]
    assert analysis["status"] == "completed"
    assert "were not examined" in analysis["verdict"]["evidence"][0]["text"]


def test_a_large_member_comes_through_whole(unzipping: Product, tmp_path: Path) -> None:
    content = bytes(200 << 20)
    (member,) = reported(unzipping, tmp_path, zipped([content]))["derived"]
    assert (member["size"], member["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert member["status"] == "analyzed"
