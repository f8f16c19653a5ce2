"""A stranger installs the contract alone, and needs pydantic for it and nothing else of ours."""

import json
import zipfile
from pathlib import Path

import pytest
from support.packages import CONTRACTS, PYDANTIC, build_wheel, environment_with, run

from assay.contracts import EVENTS

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
    return build_wheel(CONTRACTS, tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_code_schemas_and_the_mark_of_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"assay/contracts/__init__.py", "assay/contracts/py.typed"} <= names
    assert {f"assay/contracts/schemas/{name}.json" for name in EVENTS} <= names
    assert "assay/contracts/schemas/asyncapi.json" in names
    assert "assay/__init__.py" not in names, "assay is a namespace that others share"


def test_it_works_in_an_environment_that_holds_pydantic_only(wheel: Path, tmp_path: Path) -> None:
    python = environment_with(tmp_path / "env", wheels=[wheel], linked=PYDANTIC)
    said = json.loads(run(str(python), "-I", "-c", PROGRAM, cwd=tmp_path))
    assert said["schemas"] == said["documents"]
    assert Path(said["place"]).is_relative_to(tmp_path / "env")
    assert not {"aiokafka", "faststream", "sqlalchemy", "fastapi", "boto3", "torch"} & set(said["loaded"])
