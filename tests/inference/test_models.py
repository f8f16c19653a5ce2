"""Weights are used only when they are what the manifest says, and fetched from wherever they may be."""

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from assay.inference.models import Checks, ModelStore, WeightsError, WeightsMissingError, WeightsWrongError, sha256_of
from assay.inference.models_pulling import Puller, PullError, main
from assay.inference.models_sources import s3_settings
from assay.sdk import AnalyzerManifest, Weights
from inference.lab import Lab

CONTENT = b"\x01weights" * 40_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def weights(url: str | None = None, **changes: object) -> Weights:
    whole = Weights(name="net.bin", sha256=SHA256, source="a page", licence="MIT", size=len(CONTENT), url=url)
    return whole.model_copy(update=changes)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models", Checks(tmp_path / "checks"))


def pulled(store: ModelStore, wanted: Weights, url: str | None = None, s3: object = None) -> tuple[Path, list[int]]:
    said: list[int] = []
    path, fetched = Puller(store, url=url, s3=s3).pull("some-analyzer", wanted, said.append)  # type: ignore[arg-type]
    assert fetched == bool(said)
    return path, said


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class Handler(SimpleHTTPRequestHandler):
    """Also sends people elsewhere, and breaks off."""

    def do_GET(self) -> None:
        if self.path == "/moved/net.bin":
            self.send_response(302)
            self.send_header("Location", "/net.bin")
            self.end_headers()
        elif self.path == "/broken/net.bin":
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:1000])
        elif self.path == "/forbidden/net.bin":
            self.send_error(403)
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A web server with the weights, with others of the same length, and with longer ones."""
    folder = tmp_path_factory.mktemp("web")
    (folder / "net.bin").write_bytes(CONTENT)
    (folder / "other.bin").write_bytes(CONTENT[::-1])
    (folder / "longer.bin").write_bytes(CONTENT * 2)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


# The store


def test_files_put_there_by_hand_are_found(store: ModelStore) -> None:
    store.folder.mkdir()
    (store.folder / "net.bin").write_bytes(CONTENT)
    assert store.find("some-analyzer", weights()) == store.folder / "net.bin"


def test_files_put_there_by_hand_may_lie_in_a_folder(store: ModelStore) -> None:
    pulled_for_another = store.folder / ("0" * 64) / "net.bin"
    by_hand = store.folder / "somebody's network" / "net.bin"
    for path, content in ((pulled_for_another, CONTENT[::-1]), (by_hand, CONTENT)):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    assert store.find("some-analyzer", weights()) == by_hand
    by_hand.unlink()
    with pytest.raises(WeightsMissingError):
        store.find("some-analyzer", weights())


def test_missing_weights_name_the_command(store: ModelStore) -> None:
    with pytest.raises(WeightsMissingError, match="run `assay models pull some-analyzer`"):
        store.find("some-analyzer", weights())


def test_optional_weights_may_be_missing_but_not_wrong(store: ModelStore) -> None:
    needed, optional = weights(), weights(name="more.bin", sha256="1" * 64, required=False)
    manifest = AnalyzerManifest(
        name="some-analyzer",
        version="1.0.0",
        title="t",
        description="d",
        media_types=("image/png",),
        claims=("odd",),
        labels=("odd",),
        domain="tests",
        weights=(needed, optional),
    )
    store.folder.mkdir()
    (store.folder / "net.bin").write_bytes(CONTENT)
    with capture_logs() as told:
        assert store.find_all(manifest) == {"net.bin": store.folder / "net.bin"}
    (line,) = told
    assert (line["event"], line["analyzer"], line["weights"]) == ("optional_weights_missing", manifest.name, "more.bin")
    assert "assay models pull some-analyzer" in line["reason"]
    (store.folder / "more.bin").write_bytes(b"something else")
    with pytest.raises(WeightsWrongError):
        store.find_all(manifest)


def test_another_content_is_refused_whatever_its_name(store: ModelStore) -> None:
    place = store.place(weights())
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT[::-1])
    with pytest.raises(WeightsWrongError, match=f"{place} has not the sha256 {SHA256}.* `assay models pull"):
        store.find("some-analyzer", weights())
    assert pulled(store, weights(_beside(store)))[0] == place
    assert place.read_bytes() == CONTENT


def _beside(store: ModelStore) -> str:
    path = store.folder.parent / "right.bin"
    path.write_bytes(CONTENT)
    return path.as_uri()


@pytest.mark.parametrize("name", ["../net.bin", "a/net.bin", "/net.bin", "..", ""])
def test_a_name_cannot_leave_the_folder(store: ModelStore, name: str) -> None:
    with pytest.raises(WeightsError, match="no name of a file"):
        store.find("some-analyzer", weights(name=name))
    with pytest.raises(PullError, match="no name of a file"):
        pulled(store, weights(_beside(store), name=name))


def test_an_unchanged_file_is_read_once_and_a_changed_one_again(tmp_path: Path) -> None:
    path = tmp_path / "net.bin"
    path.write_bytes(CONTENT)
    assert Checks(tmp_path / "checks")(path) == SHA256

    (memory,) = files_in(tmp_path / "checks")
    memory.write_text(memory.read_text().replace(SHA256, "0" * 64))
    assert Checks(tmp_path / "checks")(path) == "0" * 64  # so it was not read

    before = path.stat()
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert Checks(tmp_path / "checks")(path) == hashlib.sha256(CONTENT[::-1]).hexdigest()


@pytest.mark.parametrize("memory", [b"", b"{}", b"[1]", b"\xff", b'["abc"]'])
def test_a_damaged_memory_costs_one_more_reading(tmp_path: Path, memory: bytes) -> None:
    path = tmp_path / "net.bin"
    path.write_bytes(CONTENT)
    checks = Checks(tmp_path / "checks")
    checks(path)
    files_in(tmp_path / "checks")[0].write_bytes(memory)
    assert checks(path) == SHA256


def test_another_content_in_the_package_is_told_with_what_helps(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "assay_wrong_package"
    package.mkdir()
    (package / "net.bin").write_bytes(b"others")
    monkeypatch.syspath_prepend(str(tmp_path))
    wanted = weights("package:assay_wrong_package/net.bin")
    said = f"{package / 'net.bin'} has not the sha256 {SHA256} .*; install the analyzer's package again$"
    with pytest.raises(WeightsWrongError, match=said):
        store.find("some-analyzer", wanted)
    with pytest.raises(PullError, match=said):
        pulled(store, wanted, url="https://example.invalid")


# Fetching


@pytest.mark.parametrize("page", ["net.bin", "moved/net.bin"])
def test_weights_come_from_their_own_address(store: ModelStore, web: str, page: str) -> None:
    path, said = pulled(store, weights(f"{web}/{page}"))
    assert path == store.folder / SHA256 / "net.bin"
    assert path.read_bytes() == CONTENT
    assert said[-1] == len(CONTENT)
    assert files_in(store.folder) == [path]
    assert pulled(store, weights(f"{web}/{page}")) == (path, [])  # not fetched again


@pytest.mark.parametrize("layout", [f"{SHA256}/net.bin", "net.bin"])
def test_one_place_with_all_weights_replaces_their_addresses(store: ModelStore, tmp_path: Path, layout: str) -> None:
    mirror = tmp_path / "a mirror"
    (mirror / layout).parent.mkdir(parents=True)
    (mirror / layout).write_bytes(CONTENT)
    path, _ = pulled(store, weights("https://example.invalid/net.bin"), url=mirror.as_uri() + "/")
    assert path.read_bytes() == CONTENT


async def test_weights_come_from_a_bucket(store: ModelStore, lab: Lab, tmp_path: Path) -> None:
    await lab.store.put("models/net.bin", CONTENT, media_type="application/octet-stream")
    lines = {
        "ASSAY_S3__ENDPOINT_URL": str(lab.s3.endpoint_url),
        "ASSAY_S3__ACCESS_KEY_ID": lab.s3.access_key_id,
        "ASSAY_S3__SECRET_ACCESS_KEY": lab.s3.secret_access_key.get_secret_value(),
    }
    s3 = s3_settings(lines)
    path, _ = pulled(store, weights(f"s3://{lab.store.bucket}/models/net.bin"), s3=s3)
    assert path.read_bytes() == CONTENT
    shutil.rmtree(store.folder)
    assert pulled(store, weights(), url=f"s3://{lab.store.bucket}/models", s3=s3)[0].read_bytes() == CONTENT
    with pytest.raises(PullError, match=f"s3://{lab.store.bucket}/nowhere/net.bin: there is no such object"):
        pulled(ModelStore(tmp_path / "empty", sha256_of), weights(), f"s3://{lab.store.bucket}/nowhere", s3)


def test_without_a_key_the_bucket_is_asked_as_boto3_finds_out() -> None:
    assert s3_settings({"ASSAY_S3__BUCKET": "assay", "PATH": "/bin"}) is None


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("{web}/other.bin", "has the sha256 [0-9a-f]{{64}}, the manifest says {sha}; nothing was kept"),
        ("{web}/longer.bin", "has more than the 320000 bytes"),
        ("{web}/nowhere.bin", "no such file .status 404."),
        ("{web}/forbidden/net.bin", "answers with status 403"),
        ("{web}/broken/net.bin", "/broken/net.bin: "),
        ("file:///nowhere/net.bin", "there is no such file"),
        ("file:///", "file:/// cannot be read: Is a directory"),
        ("file://host/net.bin", "three slashes"),
        ("ftp://host/net.bin", "begins with none of"),
        ("http://127.0.0.1:1/net.bin", "127.0.0.1:1/net.bin: "),
        ("package:assay_no_such_package/net.bin", "install the analyzer's package again"),
        (None, "its manifest has no address .* its source is a page; put it there: .*/models/net.bin"),
    ],
)
def test_what_cannot_be_had_is_one_line_and_leaves_nothing(
    store: ModelStore, web: str, page: str | None, said: str
) -> None:
    with pytest.raises(PullError, match=said.format(sha=SHA256)) as caught:
        pulled(store, weights(page and page.format(web=web)))
    assert "\n" not in str(caught.value)
    assert not files_in(store.folder)


def test_drafts_of_a_process_that_was_killed_are_cleared_away(store: ModelStore) -> None:
    drafts = store.folder / "drafts"
    drafts.mkdir(parents=True)
    (drafts / "999999999-abc").write_bytes(b"half")
    (drafts / f"{os.getpid()}-abc").write_bytes(b"of a living process")
    pulled(store, weights(_beside(store)))
    assert [path.name for path in files_in(drafts)] == [f"{os.getpid()}-abc"]


def test_an_image_fetches_them_without_the_command_line(
    tmp_path: Path, installed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in installed.split(os.pathsep):
        monkeypatch.syspath_prepend(path)
    environ = {"ASSAY_MODELS__PATH": str(tmp_path / "models"), "ASSAY_MODELS__URL": tmp_path.as_uri()}
    assert main(["brightness"], environ) == 0
    assert capsys.readouterr().out.startswith("brightness  brightness.json  ")
    assert main([], environ) == 1
    said = capsys.readouterr().err
    assert "assay: not-importable: ModuleNotFoundError: " in said
    assert f"assay: without-weights: missing.safetensors: {tmp_path.as_uri()}/abab" in said
    assert main(["nobody"], environ) == 1
