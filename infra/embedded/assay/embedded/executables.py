"""Where the programs are that came as Python packages."""

import sysconfig
from pathlib import Path

from assay.embedded.errors import StackError


def find(name: str) -> str:
    """Path of a program in this environment's folder of scripts."""
    path = Path(sysconfig.get_path("scripts")) / name
    if not path.exists():
        raise StackError(f"{path} is missing; run `make` in the checkout again to install it")
    return str(path)
