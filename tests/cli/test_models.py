"""`assay models`, run as a person runs it, with an analyzer installed whose weights lie elsewhere."""

import hashlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from assay.cli import main
from assay.inference import plugins

CONTENT = b"weights" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MODULE = """
from assay.sdk import Analyzer, AnalyzerManifest, Weights

class Example(Analyzer):
    manifest = AnalyzerManifest(
        name="example", version="1.0.0", title="t", description="d", media_types=("image/png",), claims=("odd",),
        labels=("odd",), domain="tests",
        weights=(Weights(name="net.bin", sha256={sha256!r}, source="a page", licence="MIT", url={url!r}),),
    )
    def prepare(self, media): ...
    def infer(self, batch): ...
"""


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


Assay = Callable[..., Done]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source" / "net.bin"


@pytest.fixture
def assay(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Assay:
    """Runs the command; `example` is installed, and `broken`, whose module raises."""
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    site = tmp_path / "site"
    info = site / "assay_models_example-1.0.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: assay-models-example\nVersion: 1.0.0\n")
    (info / "entry_points.txt").write_text(
        "[assay.analyzers]\nexample = assay_models_example:Example\nbroken = assay_models_broken:Example\n"
    )
    (site / "assay_models_example.py").write_text(MODULE.format(sha256=SHA256, url=source.as_uri()))
    (site / "assay_models_broken.py").write_text("raise RuntimeError('a defect')")
    for name in list(os.environ):
        if name.startswith(("ASSAY_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "assay_models_example", raising=False)

    def run(*arguments: str, **changes: str) -> Done:
        with monkeypatch.context() as changed:
            changed.setattr(sys, "argv", ["assay", "models", *arguments])
            for name, value in changes.items():
                changed.setenv(name, value)
            with pytest.raises(SystemExit) as caught:
                main.run()
        return Done(int(caught.value.code or 0), *capsys.readouterr())

    return run


def test_weights_are_listed_pulled_and_verified(assay: Assay, tmp_path: Path) -> None:
    (row,) = json.loads(assay("list", "--json", "example").stdout)
    assert (row["analyzer"], row["name"], row["sha256"]) == ("example", "net.bin", SHA256)
    assert (row["state"], row["path"], row["licence"], row["source"]) == ("missing", None, "MIT", "a page")

    unpulled = assay("verify", "example")
    assert unpulled.returncode == 1
    assert "run `assay models pull example`" in unpulled.stderr

    place = tmp_path / "home" / "models" / SHA256 / "net.bin"
    pulled = assay("pull", "example")
    assert (pulled.returncode, pulled.stdout) == (0, f"example  net.bin  fetched to {place}\n")
    assert place.read_bytes() == CONTENT
    assert assay("pull", "example").stdout == f"example  net.bin  is there: {place}\n"

    listed = assay("list").stdout
    assert all(part in listed for part in ("example", "net.bin", SHA256[:12], "700 B", "MIT", "a page", str(place)))
    assert assay("verify", "example").stdout == f"example  net.bin  ok  {place}\n"

    place.write_bytes(CONTENT[::-1])
    wrong = assay("verify", "example")
    assert wrong.returncode == 1
    assert f"{place} has not the sha256 {SHA256}" in wrong.stderr


def test_optional_weights_are_marked_and_may_be_missing(assay: Assay, tmp_path: Path) -> None:
    module = tmp_path / "site" / "assay_models_example.py"
    module.write_text(module.read_text().replace('licence="MIT"', 'licence="MIT", required=False'))
    assert "MIT  optional" in assay("list", "example").stdout
    verified = assay("verify", "example")
    assert (verified.returncode, verified.stdout) == (0, "example  net.bin  missing, optional\n")
    assert assay("pull", "example").returncode == 0
    assert "net.bin  ok" in assay("verify", "example").stdout


def test_a_wrong_file_is_one_line_and_leaves_nothing(assay: Assay, source: Path, tmp_path: Path) -> None:
    source.write_bytes(b"something else")
    done = assay("pull", "example")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"assay: example: net.bin: {source.as_uri()} has the sha256 ")
    assert not [path for path in (tmp_path / "home" / "models").rglob("*") if path.is_file()]


def test_the_folder_and_the_place_to_fetch_from_can_be_named(assay: Assay, tmp_path: Path) -> None:
    mirror, folder = tmp_path / "mirror", tmp_path / "elsewhere"
    mirror.mkdir()
    (mirror / "net.bin").write_bytes(CONTENT)
    done = assay("pull", "example", ASSAY_MODELS__PATH=str(folder), ASSAY_MODELS__URL=mirror.as_uri())
    assert done.returncode == 0, done.stderr
    assert (folder / SHA256 / "net.bin").read_bytes() == CONTENT


def test_one_that_cannot_be_imported_is_named_and_holds_up_nobody(
    assay: Assay, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The weights of Assay's own analyzers would be fetched, too.
    ours = [point for point in plugins.entry_points(group=plugins.GROUP) if point.name in ("example", "broken")]
    monkeypatch.setattr(plugins, "entry_points", lambda *, group: ours)
    done = assay("pull")
    assert done.returncode == 0
    assert "broken cannot be imported: RuntimeError: a defect" in done.stderr
    assert done.stdout.startswith("example  net.bin  fetched to ")
    assert assay("pull", "broken").returncode == 1


def test_one_that_is_not_installed_is_told_with_those_that_are(assay: Assay) -> None:
    done = assay("verify", "exmaple")
    assert done.returncode == 2
    assert "no analyzer 'exmaple' is installed; there are broken, example" in done.stderr


def test_wrong_access_to_a_bucket_is_told_by_the_name_of_its_setting(assay: Assay) -> None:
    done = assay("pull", ASSAY_S3__ACCESS_KEY_ID="me")
    assert (done.returncode, done.stderr) == (2, "assay: ASSAY_S3__SECRET_ACCESS_KEY: Field required\n")
