"""The template is a package that depends on the SDK alone: installed where nothing else of Assay is, its tests pass."""

import json
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from support.packages import CONTRACTS, PYDANTIC, SDK, TEMPLATE, build_wheel, environment_with, run

OTHERS = (*PYDANTIC, "numpy", "pillow", "safetensors")
PYTEST = ("pytest", "iniconfig", "packaging", "pluggy", "pygments")

PROGRAM = """
import importlib.util, json, sys
from importlib.metadata import entry_points
import assay.sdk, assay.sdk.conformance, assay.sdk.torch
(point,) = entry_points(group="assay.analyzers")
kind = point.load()
parts = ["torch", "fastapi", "aiokafka", "boto3", "assay.shared", "assay.inference"]
print(json.dumps({
    "name": [point.name, kind.manifest.name],
    "from": [assay.sdk.__file__, sys.modules[kind.__module__].__file__],
    "there": [name for name in parts if importlib.util.find_spec(name)],
}))
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("wheels")
    return [build_wheel(source, folder) for source in (CONTRACTS, SDK, TEMPLATE)]


@pytest.fixture(scope="module")
def python(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the three wheels, what they depend on, and pytest."""
    return environment_with(tmp_path_factory.mktemp("stranger") / "env", wheels=wheels, linked=(*OTHERS, *PYTEST))


def test_the_wheels_hold_what_they_need(wheels: list[Path]) -> None:
    _, sdk, template = (set(zipfile.ZipFile(wheel).namelist()) for wheel in wheels)
    assert {"assay/sdk/__init__.py", "assay/sdk/py.typed", "assay/sdk/conformance/suite.py"} <= sdk
    assert "assay/__init__.py" not in sdk, "assay is a namespace that others share"
    assert {"assay_sharpness/analyzer.py", "assay_sharpness/sharpness.safetensors"} <= template


def test_what_they_say_they_depend_on_is_all_that_they_need(python: Path) -> None:
    run(sys.executable, "-m", "uv", "pip", "check", "--python", str(python))
    said = json.loads(run(str(python), "-I", "-c", PROGRAM))
    assert said["name"] == ["sharpness", "sharpness"]
    assert all(Path(path).is_relative_to(python.parents[1]) for path in said["from"])
    assert said["there"] == []


def test_its_own_tests_pass_there(python: Path, tmp_path: Path) -> None:
    for name in ("tests", "train.py"):
        source = TEMPLATE / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    told = run(str(python), "-I", "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rA", "tests", cwd=tmp_path)
    assert "TestSharpness::test_a_batch_says_what_one_by_one_says" in told
    assert "test_training_again_makes_the_same_weights" in told
    assert " passed" in told
    assert "skipped" not in told
