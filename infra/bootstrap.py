"""Make `.venv`: the pinned packages, this checkout's own packages, and Kafka's jars. Standard library only.

Says what it will download and how much disk is free before the first byte. Done again only when what it was made from
changes; an interrupted run is taken up by the next one.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "made-from"
REQUIREMENTS = ROOT / "requirements.txt"
UV = "uv==0.13.9"

LOCAL = (
    "shared/assay/contracts",
    "shared/assay/sdk",
    "shared",
    "services/upload",
    "services/inference",
    "services/results",
    "services/notify",
    "infra/embedded",
    "cli",
)

# Measured with empty caches on Python 3.11. On Linux, torch brings the CUDA libraries, with or without a GPU.
DOWNLOAD_GB, DISK_GB = (3.4, 7.0) if sys.platform == "linux" else (0.6, 2.0)
LEFT_OVER_GB = 1.0
"""What should still be free afterwards, for the data."""


def main() -> int:
    """Make or update the environment. Returns the exit status; an error is one line."""
    with REQUIREMENTS.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two `make` at the same time
        wanted = fingerprint()
        if STAMP.exists() and STAMP.read_text(encoding="utf-8") == wanted and works():
            return 0
        problem = missing_module() or announce()
        if problem:
            print(f"assay: {problem}", file=sys.stderr)
            return 1
        STAMP.unlink(missing_ok=True)
        try:
            install()
        except subprocess.CalledProcessError as error:
            print(
                f"assay: making .venv failed at `{' '.join(map(str, error.cmd[:5]))} …` (status {error.returncode});"
                " its message is above. Run the same command again to go on where it stopped",
                file=sys.stderr,
            )
            return 1
        STAMP.write_text(wanted, encoding="utf-8")
    return 0


def fingerprint() -> str:
    """What the environment is made from. The path is part of it: a moved environment does not work."""
    digest = hashlib.sha256(f"{VENV}\n{UV}\n".encode())
    sources = [REQUIREMENTS, *(ROOT / folder / "pyproject.toml" for folder in LOCAL)]
    sources.append(ROOT / "infra/embedded/assay/embedded/kafka.lock")
    for path in sources:
        digest.update(path.read_bytes())
    return digest.hexdigest() + "\n"


def works() -> bool:
    """True if its Python starts: the one that it was made with may have gone."""
    try:
        return subprocess.run([PYTHON, "-c", ""], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def missing_module() -> str:
    """One line where this Python cannot make environments; Debian splits that off."""
    if all(find_spec(name) for name in ("venv", "ensurepip")):
        return ""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return (
        f"{sys.executable} cannot make environments (venv or ensurepip is missing); install that part of it"
        f" (Debian and Ubuntu: apt install python{version}-venv), or name another Python: make PYTHON=…"
    )


def announce() -> str:
    """Say what is to come. Returns one line where the disk is too small."""
    free = shutil.disk_usage(ROOT).free / 1e9
    there = folder_size(VENV) / 1e9
    needed = max(DISK_GB - there, 0.3)
    if there < 1:
        print(
            f"assay: making .venv: about {DOWNLOAD_GB:g} GB to download once, {needed:.1f} GB on disk;"
            f" {free:.1f} GB are free in {ROOT}",
            flush=True,
        )
    else:
        print(f"assay: updating .venv: only what changed is downloaded; {free:.1f} GB are free in {ROOT}", flush=True)
    if free < needed + LEFT_OVER_GB:
        return (
            f"{free:.1f} GB are free in {ROOT} and {needed + LEFT_OVER_GB:.1f} GB are needed;"
            " free some, or clone to a larger disk"
        )
    return ""


def folder_size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file()) if folder.exists() else 0


def install() -> None:
    """Raises CalledProcessError; what it has done by then is kept."""
    if not works():
        shutil.rmtree(VENV, ignore_errors=True)
        run(sys.executable, "-m", "venv", VENV)
    run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV)
    uv = (VENV / "bin" / "uv", "pip", "install", "--python", PYTHON)
    run(*uv, "--requirements", REQUIREMENTS)
    editable = [word for folder in LOCAL for word in ("--editable", ROOT / folder)]
    run(*uv, "--quiet", "--no-deps", "--no-build-isolation", *editable)
    run(PYTHON, "-m", "assay.embedded.kafka_jars")


def run(*command: "str | Path") -> None:
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
