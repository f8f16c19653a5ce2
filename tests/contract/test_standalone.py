"""A stranger installs the contract alone, and needs pydantic for it and nothing else of ours."""

import json
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from assay.contracts import EVENTS

SOURCE = Path(__file__).parents[2] / "shared/assay/contracts"
PYDANTIC = ("pydantic", "pydantic-core", "annotated-types", "typing-extensions", "typing-inspection")

PROGRAM = """
import json, sys
from importlib.resources import files
from assay.contracts import EVENTS, decode, documents, encode, generate
deleted = EVENTS["assay.file.deleted.v1"]
event = deleted(occurred_at="2026-03-01T12:00:00Z", file_id="0199d3a0-0000-7000-8000-000000000001", owner_id="a")
record = encode(event, source="/stranger")
assert decode(record.value, record.headers) == event
print(json.dumps({
    "schemas": sorted(each.name for each in files("assay.contracts").joinpath("schemas").iterdir()),
    "documents": sorted(documents.documents()),
    "place": generate.__file__,
    "loaded": sorted({name.split(".")[0] for name in sys.modules}),
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_code_schemas_and_the_mark_of_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"assay/contracts/__init__.py", "assay/contracts/py.typed"} <= names
    assert {f"assay/contracts/schemas/{name}.json" for name in EVENTS} <= names
    assert "assay/contracts/schemas/asyncapi.json" in names
    assert "assay/__init__.py" not in names, "assay is a namespace that others share"


def test_it_works_in_an_environment_that_holds_pydantic_only(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    site = Path(
        subprocess.run(
            [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    )
    zipfile.ZipFile(wheel).extractall(site)
    for name in PYDANTIC:
        link_distribution(name, site)
    done = subprocess.run([str(python), "-I", "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["schemas"] == said["documents"]
    assert Path(said["place"]).is_relative_to(site)
    assert not {"aiokafka", "faststream", "sqlalchemy", "fastapi", "boto3", "torch"} & set(said["loaded"])


def link_distribution(name: str, site: Path) -> None:
    """Put an installed distribution's top-level files into another environment, as links."""
    found = distribution(name)
    tops = {file.parts[0] for file in found.files or () if not file.parts[0].startswith(("..", "__pycache__"))}
    for top in tops:
        (site / top).symlink_to(Path(str(found.locate_file(top))))
