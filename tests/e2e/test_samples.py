"""The quick start: three pictures, three different reports, as a user sees them."""

import json
import re
from typing import Any

import httpx
import pytest
from support.product import SAMPLES, Product

EXPECTED = {"landscape.jpg": "no_findings", "ai-signed.jpg": "synthetic", "splice.jpg": "manipulated"}


@pytest.mark.parametrize(("name", "label"), EXPECTED.items())
def test_each_sample_gets_its_report(product: Product, name: str, label: str) -> None:
    file = product.report(SAMPLES / name)
    report = file["run"]["report"]
    assert (file["status"], report["label"]) == ("analyzed", label)
    assert report["summary"]
    assert {"jpeg-forensics", "provenance"} <= {each["analyzer"] for each in file["run"]["analyses"]}
    for analysis in file["run"]["analyses"]:
        assert analysis["status"] == "completed"
        assert analysis["fraction"] == 1.0
        assert analysis["queued_at"] <= analysis["started_at"] <= analysis["completed_at"]
        assert analysis["duration_ms"] >= 0
        assert analysis["device"].startswith(("cpu", "cuda"))


def test_assay_submit_prints_three_different_reports(product: Product) -> None:
    printed = product.command("submit", *(str(SAMPLES / name) for name in EXPECTED)).stdout
    for label in EXPECTED.values():
        assert re.search(rf"^{label}  score \S+", printed, re.MULTILINE), printed
    for name in EXPECTED:
        assert f"{name}  image/jpeg" in printed
    for analyzer in ("jpeg-forensics", "provenance"):
        assert len(re.findall(rf"^  {analyzer} +\w+ +score ", printed, re.MULTILINE)) == len(EXPECTED), printed


def test_assay_submit_json_is_the_answer_of_the_api(product: Product) -> None:
    file = json.loads(product.command("submit", "--json", str(SAMPLES / "splice.jpg")).stdout)
    with product.client() as client:
        answer = client.get(f"/api/v1/files/{file['file_id']}").json()
    # The command waits for artifacts that follow, but not for ever.
    assert _without_artifacts(answer) == _without_artifacts(file)


def _without_artifacts(file: dict[str, Any]) -> dict[str, Any]:
    left_out = ("artifacts", "artifacts_follow")
    for analysis in file["run"]["analyses"]:
        analysis["verdict"] = {name: value for name, value in analysis["verdict"].items() if name not in left_out}
    return file


def test_the_splice_has_a_heat_map_to_look_at(product: Product) -> None:
    file = product.explained(SAMPLES / "splice.jpg")
    artifacts = [
        artifact
        for analysis in file["run"]["analyses"]
        for artifact in analysis["verdict"]["artifacts"]
        if artifact["media_type"] == "image/png"
    ]
    assert artifacts
    with product.client() as client:
        redirect = client.get(artifacts[0]["links"]["self"])
        assert redirect.status_code == 307
        assert redirect.headers["location"].startswith(product.url)
    # Without a token: a presigned link is enough, through the gateway.
    picture = httpx.get(redirect.headers["location"])
    assert picture.status_code == 200
    assert picture.content.startswith(b"\x89PNG\r\n\x1a\n")
