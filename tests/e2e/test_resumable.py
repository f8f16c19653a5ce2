"""Resumable uploads by clients that others wrote, through the gateway to two replicas, one of which is killed."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from support import tus_js
from support.product import SAMPLES, Product
from support.uploads import large_jpeg
from tusclient.client import TusClient

pytestmark = pytest.mark.proof

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024
LARGE = 96 * MIB
CHUNK = 20 * MIB


@pytest.fixture(scope="session")
def tus_js_client(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """The program that uploads with tus-js-client."""
    return tus_js.install(tmp_path_factory.mktemp("tus_js"), Path(pytestconfig.cache.mkdir("npm")))


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Path]:
    """A picture with a long tail."""
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        for piece in large_jpeg(LARGE):
            file.write(piece)
    yield path
    path.unlink()


def receiving(product: Product) -> psutil.Process | None:
    """The upload process at which bytes arrive now."""
    assert product.process is not None
    for process in psutil.Process(product.process.pid).children(recursive=True):
        try:
            if "assay.upload.main" not in " ".join(process.cmdline()):
                continue
            ports = [each.laddr.port for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
            counted = [httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text for port in ports]
        except (psutil.NoSuchProcess, httpx.TransportError):
            continue
        if any("\nassay_uploads_receiving 1.0" in each for each in counted):
            return process
    return None


def kill_in_the_middle(product: Product) -> int:
    """SIGKILL to the replica that receives, once it has accepted something and before it has all; returns its pid."""
    with product.client() as client:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            process = receiving(product)
            if process is not None:
                process.kill()
                return process.pid
            time.sleep(0.01)
    del client
    raise AssertionError("no replica received anything")


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def assert_examined(product: Product, file_id: str, path: Path) -> None:
    """The file is this one, and ends in a report."""
    with product.client() as client:
        deadline = time.monotonic() + 60
        while True:
            file: dict[str, Any] = client.get(f"/api/v1/files/{file_id}").json()
            if file["status"] in ("analyzed", "partially_analyzed", "failed"):
                break
            assert time.monotonic() < deadline, file
            time.sleep(0.2)
    assert (file["sha256"], file["size"], file["filename"]) == (sha256_of(path), path.stat().st_size, path.name)
    assert file["run"]["report"]["label"]


@pytest.mark.parametrize("chunk", [None, CHUNK], ids=["one request", "many requests"])
def test_tus_js_client_goes_on_at_the_other_replica(
    chunk: int | None, product: Product, large: Path, tus_js_client: Path
) -> None:
    uploading = tus_js.start(
        tus_js_client,
        path=str(large),
        endpoint=f"{product.url}/api/v1/uploads",
        token=product.token,
        chunkSize=chunk,
        metadata={"filename": large.name, "filetype": "image/jpeg"},
    )
    kill_in_the_middle(product)
    result = tus_js.result_of(uploading)
    assert result["retried"], "the killed replica was not noticed"
    assert result["url"].startswith(f"{product.url}/api/v1/uploads/")
    assert_examined(product, result["fileId"], large)


def test_tus_js_client_sends_a_small_file_while_creating(product: Product, tus_js_client: Path) -> None:
    path = SAMPLES / "landscape.jpg"
    result = tus_js.result_of(
        tus_js.start(
            tus_js_client,
            path=str(path),
            endpoint=f"{product.url}/api/v1/uploads",
            token=product.token,
            uploadDataDuringCreation=True,
            metadata={"filename": path.name},
        )
    )
    assert (result["status"], result["retried"]) == (201, [])
    assert_examined(product, result["fileId"], path)


def test_tuspy_goes_on_at_the_other_replica(product: Product, large: Path) -> None:
    client = TusClient(f"{product.url}/api/v1/uploads", headers={"Authorization": f"Bearer {product.token}"})
    uploader = client.uploader(
        str(large),
        chunk_size=CHUNK,
        metadata={"filename": large.name},
        retries=10,
        retry_delay=1,
        upload_checksum=True,
    )
    with ThreadPoolExecutor(1) as threads:
        uploading = threads.submit(uploader.upload)
        kill_in_the_middle(product)
        uploading.result(60)
    last = uploader.request
    assert last is not None
    assert_examined(product, last.response_headers["assay-file-id"], large)


def test_the_page_sends_in_pieces_and_goes_on_at_the_other_replica(product: Product, large: Path) -> None:
    """The page's own code, run by Node; a browser is what only people have here."""
    sending = tus_js.start(
        tus_js.FOLDER / "page.mjs",
        path=str(large),
        page=str(ROOT / "web" / "sending.js"),
        url=product.url,
        token=product.token,
    )
    kill_in_the_middle(product)
    result = tus_js.result_of(sending)
    assert (result["told"][0], result["left"]) == (0, 0)
    assert len(result["told"]) >= LARGE // (16 * MIB)
    assert_examined(product, result["uploaded"]["file_id"], large)
    page = httpx.get(f"{product.url}/sending.js")
    assert (page.status_code, "sendLarge" in page.text) == (200, True)
    assert "javascript" in page.headers["content-type"]


def test_on_the_page_who_signs_in_again_goes_on(product: Product, tmp_path: Path) -> None:
    path = tmp_path / "middling.jpg"
    path.write_bytes(b"".join(large_jpeg(33 * MIB)))
    sending = tus_js.start(
        tus_js.FOLDER / "page.mjs",
        path=str(path),
        page=str(ROOT / "web" / "sending.js"),
        url=product.url,
        token=product.token,
        expires=True,
    )
    result = tus_js.result_of(sending)
    assert result["refused"] == [401]
    assert result["told"] == [0, 16 * MIB, 16 * MIB, 32 * MIB]
    assert result["left"] == 0
    assert_examined(product, result["uploaded"]["file_id"], path)


def test_parts_go_straight_to_storage(product: Product) -> None:
    """The addresses are the gateway's, so they work from another host."""
    path = SAMPLES / "ai-signed.jpg"
    content = path.read_bytes()
    with product.client() as client, httpx.Client() as stranger:
        asked = {"filename": path.name, "size": len(content), "sha256": sha256_of(path)}
        presigned = client.post("/api/v1/files:presign", json=asked).json()
        (part,) = presigned["parts"]
        assert part["url"].startswith(f"{product.url}/")
        etag = stranger.put(part["url"], content=content).headers["etag"]
        body = {"upload_id": presigned["upload_id"], "parts": [{"number": 1, "etag": etag}]}
        completed = client.post("/api/v1/files:complete", json=body)
        assert completed.status_code == 202, completed.text
    assert_examined(product, completed.json()["file_id"], path)


def test_a_page_of_another_origin_may_send_with_a_token(product: Product) -> None:
    with product.client() as client:
        asked = client.options(
            "/api/v1/uploads",
            headers={"Origin": "https://newsroom.test", "Access-Control-Request-Method": "PATCH", "Authorization": ""},
        )
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == "*"
        assert "PATCH" in asked.headers["access-control-allow-methods"]
        assert "Upload-Offset" in asked.headers["access-control-allow-headers"]
        told = client.post("/api/v1/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "5"})
        assert {"Location", "Upload-Offset", "Assay-File-Id"} <= {
            name.strip() for name in told.headers["access-control-expose-headers"].split(",")
        }


def test_assay_submit_goes_on_after_a_break_and_when_run_again(
    product: Product, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(product.environment, "XDG_CACHE_HOME", str(tmp_path / "cache"))
    remembered = tmp_path / "cache" / "assay" / "uploads"
    words = [sys.executable, "-m", "assay.cli.main", "submit", "--no-wait", "--json", str(large)]

    def submitting() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            words, env=product.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    first = submitting()
    deadline = time.monotonic() + 30
    with product.client() as client:
        while True:
            assert time.monotonic() < deadline
            names = list(remembered.glob("*")) if remembered.is_dir() else []
            upload = names[0].read_text() if names else ""
            if upload and client.get(f"/api/v1/uploads/{upload}").json()["offset"] > 0:
                break
            time.sleep(0.01)
        first.kill()
        first.communicate()
        state = client.get(f"/api/v1/uploads/{upload}").json()
        assert (state["status"], state["offset"] < LARGE) == ("receiving", True)
        second = submitting()
        kill_in_the_middle(product)
        out, err = second.communicate(timeout=60)
        assert second.returncode == 0, err
        state = client.get(f"/api/v1/uploads/{upload}").json()
    assert state["file"]["file_id"] == json.loads(out)["file_id"]
    assert state["file"]["sha256"] == sha256_of(large)
    assert list(remembered.glob("*")) == []
