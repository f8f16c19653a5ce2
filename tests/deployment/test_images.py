"""Dockerfiles pass the linter, and each image installs what the tests ran with and no more."""

import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest
from support.deployment import OURS, ROOT, dockerfile_of

PIN = re.compile(r"^(?P<name>[a-z0-9._-]+)==(?P<version>[^\s;]+)", re.MULTILINE)


def pins(path: Path) -> dict[str, set[str]]:
    """Versions of each package; more than one where they differ by Python version."""
    found: dict[str, set[str]] = {}
    for each in PIN.finditer(path.read_text()):
        found.setdefault(each["name"], set()).add(each["version"])
    return found


def requirements(service: str) -> Path:
    return ROOT / "services" / service / "requirements.txt"


def test_dockerfiles_pass_the_linter() -> None:
    linter = Path(sysconfig.get_path("scripts")) / ("hadolint.exe" if os.name == "nt" else "hadolint")
    files = [str(ROOT / "services" / name / "Dockerfile") for name in OURS]
    done = subprocess.run([str(linter), "--no-color", *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("service", OURS)
def test_images_run_the_versions_that_the_tests_run(service: str) -> None:
    checkout = pins(ROOT / "requirements.txt")
    image = pins(requirements(service))
    assert {name: versions for name, versions in image.items() if versions != checkout.get(name)} == {}


@pytest.mark.parametrize("service", OURS)
def test_requirements_are_pinned_names_only(service: str) -> None:
    lines = [line for line in requirements(service).read_text().splitlines() if not line.startswith("#")]
    assert lines
    assert [line for line in lines if not PIN.match(line)] == []


def test_only_inference_carries_torch() -> None:
    assert [service for service in OURS if "torch" in pins(requirements(service))] == ["inference"]


def test_only_upload_and_inference_carry_the_media_type_model() -> None:
    assert [service for service in OURS if "magika" in pins(requirements(service))] == ["upload", "inference"]


@pytest.mark.parametrize("service", OURS)
def test_what_is_copied_into_an_image_exists(service: str) -> None:
    for stage in dockerfile_of(service):
        for copy in stage.all("COPY"):
            if not copy.startswith("--from"):
                *sources, _ = copy.split()
                assert all((ROOT / source).exists() for source in sources), copy
    assert dockerfile_of(service)[0].base == dockerfile_of(service)[1].base


def test_the_build_context_holds_no_data_and_no_secrets() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines.index("*") < min(lines.index(f"!{name}") for name in ("requirements.txt", "services", "shared"))
    assert {line for line in lines if line.startswith("!")} == {"!requirements.txt", "!services", "!shared"}
