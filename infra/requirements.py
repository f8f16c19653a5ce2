"""Compiles what each image installs: services/<name>/requirements.txt, with the checkout's versions.

    python infra/requirements.py [UV]    UV: the `uv` program to use (default: the one on the path)

Inputs are the pyproject.toml of the service and of Assay's packages that it stands on, bounded by requirements.txt, so
that an image runs the versions that the tests ran. Assay's own packages are left out: an image takes them from here.
"""

import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SERVICES = ("upload", "inference", "results", "notify")
LEAST_PYTHON = "3.11"
OWN = {
    "assay-contracts": "shared/assay/contracts",
    "assay-sdk": "shared/assay/sdk",
    "assay-shared": "shared",
}
HEADER = "# Compiled by `make requirements` from pyproject.toml and the checkout's requirements.txt.\n"


def dependencies(folder: Path, extras: Iterable[str] = ()) -> Iterator[str]:
    """What a package with these extras needs from outside, directly or through Assay's own packages."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project.get("optional-dependencies", {})
    for each in [*project["dependencies"], *(one for extra in extras for one in optional[extra])]:
        name, _, wanted = each.split("==")[0].removesuffix("]").partition("[")
        if name in OWN:
            yield from dependencies(ROOT / OWN[name], wanted.split(",") if wanted else ())
        else:
            yield each


def compiled(service: str, uv: str) -> str:
    """The text of a service's requirements.txt."""
    wanted = sorted(set(dependencies(ROOT / "services" / service)))
    options = ["--universal", "--python-version", LEAST_PYTHON, "--no-header", "--no-annotate", "--quiet"]
    done = subprocess.run(
        [uv, "pip", "compile", *options, "--constraint", "requirements.txt", "-"],
        cwd=ROOT,
        input="\n".join(wanted),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return HEADER + done.stdout


def main() -> None:
    uv = sys.argv[1] if len(sys.argv) > 1 else "uv"
    for service in SERVICES:
        path = ROOT / "services" / service / "requirements.txt"
        path.write_text(compiled(service, uv), encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
