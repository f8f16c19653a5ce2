"""Each image's steps, carried out in a clean folder, and its service started from there on the real parts.

Slow, and it downloads: `make test-images` runs it, `make test` does not. IMAGES names the services (default: upload
results notify; inference takes gigabytes).
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.deployment import dockerfile_of
from support.replay import Image, Replay
from support.services import free_port
from support.stacks import RunningParts

pytestmark = pytest.mark.timeout(1800)

SERVICES = os.environ.get("IMAGES", "upload results notify").split()
OTHERS = {"upload", "inference", "results", "notify"}


@pytest.fixture(scope="module", params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def image(service: str, tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Replay(dockerfile_of(service), tmp_path_factory.mktemp(service)).run()


def test_it_holds_its_own_code_and_no_other_service(service: str, image: Image) -> None:
    ours = {path.name for path in (image.packages / "assay").iterdir()}
    assert ours & OTHERS == {service}
    assert {"contracts", "shared"} <= ours
    assert ("torch" in {path.name for path in image.packages.iterdir()}) == (service == "inference")
    if service in ("upload", "results", "notify"):
        assert list((image.packages / "assay" / service / "migrations/versions").glob("0001_*.py"))


@pytest.fixture
def environment(service: str, stack: RunningParts, tmp_path: Path) -> dict[str, str]:
    lines = stack.environment(service)
    more = {"ASSAY_HTTP__HOST": "127.0.0.1", "ASSAY_HTTP__PORT": str(free_port())}
    if service == "notify":
        more["ASSAY_RESULTS_URL"] = "http://127.0.0.1:1"
    if service == "inference":
        more["ASSAY_CACHE__PATH"] = str(tmp_path / "cache")
    return {**lines, **more}


@pytest.fixture
def running(image: Image, environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[str, Path]]:
    log = tmp_path / "service.log"
    process = image.start(environment, log)
    try:
        yield environment["ASSAY_HTTP__PORT"], log
    finally:
        process.terminate()
        assert process.wait(30) == 0, log.read_text()[-4000:]


def test_its_command_starts_the_service_and_ends_on_sigterm(
    image: Image, service: str, running: tuple[str, Path]
) -> None:
    port, log = running
    deadline = time.monotonic() + 90
    ready: dict[str, dict[str, bool]] = {}
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            ready = httpx.get(f"http://127.0.0.1:{port}/readyz").json()["dependencies"]
        # There is no results service here for notify.
        if ready and all(each["ok"] for name, each in ready.items() if name != "results"):
            break
        time.sleep(0.2)
    else:
        raise AssertionError(f"{service}: {ready}\n{log.read_text()[-4000:]}")
    assert image.is_healthy(port)
    assert not image.is_healthy(str(free_port()))
