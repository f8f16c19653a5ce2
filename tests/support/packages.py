"""Packages as a stranger gets them: wheels of ours, in an environment that holds nothing else."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
CONTRACTS = REPOSITORY / "shared/assay/contracts"
SDK = REPOSITORY / "shared/assay/sdk"
TEMPLATE = REPOSITORY / "examples/analyzer-template"

PYDANTIC = ("pydantic", "pydantic-core", "annotated-types", "typing-extensions", "typing-inspection")


def build_wheel(source: Path, folder: Path) -> Path:
    """The wheel of a package's folder, made without a network."""
    before = set(folder.glob("*.whl"))
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=source)
    (wheel,) = set(folder.glob("*.whl")) - before
    return wheel


def install(wheels: Iterable[Path], *where: str) -> None:
    """Install wheels and nothing that they depend on. where: options that say into what."""
    options = ("--offline", "--no-index", "--no-deps", "--quiet", *where)
    run(sys.executable, "-m", "uv", "pip", "install", *options, *(str(wheel) for wheel in wheels))


def environment_with(folder: Path, *, wheels: Iterable[Path], linked: Iterable[str]) -> Path:
    """The Python of a new environment that holds the wheels, and links to the named distributions of this one."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = Path(run(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    install(wheels, "--python", str(python))
    for name in linked:
        link_distribution(name, site)
    return python


def link_distribution(name: str, site: Path) -> None:
    """Put an installed distribution into another environment: its top-level files as links."""
    found = distribution(name)
    tops = {file.parts[0] for file in found.files or () if not file.parts[0].startswith(("..", "__pycache__"))}
    for top in tops:
        source = Path(str(found.locate_file(top)))
        if source.suffix == ".dist-info":
            shutil.copytree(source, site / top)  # uv does not look into one that is a link
        else:
            (site / top).symlink_to(source)


def run(*command: str, cwd: Path | None = None) -> str:
    """What a program prints; it has nothing of our environment. Raises AssertionError where it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_"))}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
