"""Files and folders that belong to one process, named `<pid>-…`, and what dead processes left of them."""

import os
import shutil
from pathlib import Path


def is_owner_alive(name: str) -> bool:
    """True while the process that the name begins with is there."""
    try:
        os.kill(int(name.partition("-")[0]), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def folder_of_own(parent: Path, name: str) -> Path:
    """The path of a folder for this process, not made yet. Removes those of dead processes beside it."""
    parent = parent.absolute()
    if parent.is_dir():
        for old in parent.iterdir():
            if not is_owner_alive(old.name):
                shutil.rmtree(old, ignore_errors=True)
    return parent / f"{os.getpid()}-{name}"
