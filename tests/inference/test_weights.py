"""A worker takes the weights that were pulled, and no others."""

import asyncio
import hashlib
import json
import os
from pathlib import Path

import pytest
from support.services import ServiceProcess

from assay.inference import models_pulling
from inference.lab import Lab

WEIGHTS = b"0.75"


async def test_pulled_weights_judge_and_wrong_ones_stay_out(
    environment: dict[str, str], installed: str, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in installed.split(os.pathsep):
        monkeypatch.syspath_prepend(path)
    source, folder = tmp_path / "source", tmp_path / "models"
    for each in (source, folder):
        each.mkdir()
    (source / "score.txt").write_bytes(WEIGHTS)
    (folder / "other.txt").write_bytes(b"0.25")
    lines = {
        **environment,
        "ASSAY_ANALYZERS": "pulled,wrong-weights",
        "ASSAY_MODELS__PATH": str(folder),
        "ASSAY_MODELS__URL": source.as_uri(),
    }
    assert models_pulling.main(["pulled"], lines) == 0

    service = ServiceProcess("inference", lines, tmp_path / "worker.log")
    await asyncio.to_thread(service.start)
    try:
        verdict = (await lab.completed(await lab.request(b"a file", plan=("pulled",)), "pulled")).verdict
    finally:
        assert await asyncio.to_thread(service.stop) == 0

    assert verdict.score == 0.75
    assert verdict.weights_sha256 == hashlib.sha256(WEIGHTS).hexdigest()
    assert verdict.details == {"weights in prepare": "none"}
    told = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    (out,) = [line for line in told if line["event"] == "analyzer_stays_out"]
    assert out["analyzer"] == "wrong-weights"
    assert f"{folder / 'other.txt'} has not the sha256" in out["reason"]
    assert out["reason"].endswith("run `assay models pull wrong-weights`")
