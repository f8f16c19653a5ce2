"""A stranger's package, installed beside a worker as pip would do it, judges what is uploaded."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image, ImageFilter
from support.packages import REPOSITORY, TEMPLATE, build_wheel, install
from support.services import ServiceProcess

from inference.lab import Lab

WEIGHTS = TEMPLATE / "assay_sharpness" / "sharpness.safetensors"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def template_worker(
    environment: dict[str, str], lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("template")
    site = folder / "site"
    install([build_wheel(TEMPLATE, folder)], "--target", str(site))
    lines = {**environment, "PYTHONPATH": str(site), "ASSAY_ANALYZERS": "sharpness"}
    service = ServiceProcess("inference", lines, folder / "worker.log")
    try:
        await asyncio.to_thread(service.start)
        yield service
    finally:
        assert await asyncio.to_thread(service.stop) == 0


def jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=92)
    return out.getvalue()


@pytest.mark.usefixtures("template_worker")
async def test_from_the_upload_to_the_verdict(lab: Lab, tmp_path: Path) -> None:
    with Image.open(REPOSITORY / "examples" / "samples" / "landscape.jpg") as sample:
        photo = sample.convert("RGB")
    sharp, blurred = jpeg(photo), jpeg(photo.filter(ImageFilter.GaussianBlur(3)))
    requests = [
        await lab.request(content, plan=("sharpness",), media_type="image/jpeg") for content in (sharp, blurred)
    ]
    drawings = [await lab.explained(request, "sharpness") for request in requests]
    verdicts = [(await lab.completed(request, "sharpness")).verdict for request in requests]

    assert [verdict.label for verdict in verdicts] == ["no_findings", "blurred"]
    for verdict, (artifact,) in zip(verdicts, drawings, strict=True):
        assert verdict.weights_sha256 == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
        await lab.store.download(artifact.key, tmp_path / "map.png")
        with Image.open(tmp_path / "map.png") as drawn:
            assert drawn.format == "PNG"


@pytest.mark.usefixtures("template_worker")
async def test_a_damaged_file_fails_with_its_reason(lab: Lab) -> None:
    request = await lab.request(b"\xff\xd8 no picture", plan=("sharpness",), media_type="image/jpeg")
    failed = await lab.failed(request, "sharpness")
    assert failed.code == "media_unreadable"
    assert failed.message.startswith("The picture is damaged or cut off: ")
