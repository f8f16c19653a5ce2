"""MinIO as compose.yaml starts it: its command, its variables, its health check. `make test-minio` runs this."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.deployment import read_compose
from support.minio import PROGRAM
from support.services import free_port

from assay.shared.objects import ObjectStore, StorageError
from assay.shared.settings import S3Settings

SERVICES = read_compose()["services"]
SECRET = "a secret key that lies in a file"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("minio")
    (folder / "s3_secret_key").write_text(SECRET + "\n")
    port, service = free_port(), SERVICES["minio"]
    environment = {name: text.replace("/run/secrets", str(folder)) for name, text in service["environment"].items()}
    place = {"/data": str(folder / "data"), ":9000": f"127.0.0.1:{port}"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(PROGRAM), *(place.get(word, word) for word in service["command"])],
            env={"HOME": str(folder), **environment},
            stdout=log,
            stderr=log,
        )
    try:
        yield port
    finally:
        process.terminate()
        process.wait(20)


def test_its_health_check_passes(port: int) -> None:
    [address] = [word for word in SERVICES["minio"]["healthcheck"]["test"] if word.startswith("http")]
    deadline = time.monotonic() + 30
    status = 0
    while status != httpx.codes.OK and time.monotonic() < deadline:
        try:
            status = httpx.get(address.replace(":9000", f":{port}")).status_code
        except httpx.TransportError:
            time.sleep(0.1)
    assert status == httpx.codes.OK


async def test_the_services_key_opens_it_and_the_secret_is_that_of_the_file(port: int, tmp_path: Path) -> None:
    lines = SERVICES["upload"]["environment"]
    settings = S3Settings(
        endpoint_url=f"http://127.0.0.1:{port}",
        bucket=lines["ASSAY_S3__BUCKET"],
        region=lines["ASSAY_S3__REGION"],
        access_key_id=lines["ASSAY_S3__ACCESS_KEY_ID"],
        secret_access_key=SECRET,  # type: ignore[arg-type]
    )
    store = ObjectStore(settings)
    await asyncio.gather(store.ensure_bucket(), store.ensure_bucket())
    await store.put("files/x/content", b"x", media_type="text/plain")
    await store.download("files/x/content", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"x"
    store.close()
    other = ObjectStore(S3Settings.model_validate(settings.model_dump() | {"secret_access_key": "minioadmin"}))
    with pytest.raises(StorageError):
        await other.put("files/x/content", b"y", media_type="text/plain")
    other.close()
