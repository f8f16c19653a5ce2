"""Reading fetched public repositories: git directories `<owner>+<name>/repo` under the folder ASSAY_TRAINING_DATA."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "ASSAY_TRAINING_DATA"


def root() -> Path:
    """The folder of fetched repositories. Raises SystemExit with a sentence when the variable does not name one."""
    folder = Path(os.environ.get(VARIABLE, ""))
    if not os.environ.get(VARIABLE) or not folder.is_dir():
        raise SystemExit(f"{VARIABLE} must name the folder of fetched repositories (<owner>+<name>/repo each)")
    return folder


def git_directory(folder: str) -> Path:
    """Where the repository of a source's folder lies."""
    return root() / folder / "repo"


def commit_of(folder: str) -> str:
    """The commit that the copy stands at."""
    asked = ["git", "--git-dir", str(git_directory(folder)), "rev-parse", "HEAD"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def files_of(folder: str) -> list[tuple[str, str]]:
    """(path, blob id) of every file of the commit that is really there; absent blobs are left out."""
    asked = ["git", "--git-dir", str(git_directory(folder)), "ls-tree", "-r", "-l", "-z", "HEAD"]
    listed = subprocess.run(asked, check=True, capture_output=True).stdout.decode("utf-8", "replace")
    rows = (line.split("\t", 1) for line in listed.split("\0") if line)
    return [(path, meta.split()[2]) for meta, path in rows if meta.split()[3].isdigit()]


class Blobs:
    """The bytes of blobs, from one `git cat-file --batch` that stays open."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def read(self, blob: str) -> bytes:
        """Raises KeyError for a blob that the copy lacks."""
        into, out = self._process.stdin, self._process.stdout
        if into is None or out is None:
            raise RuntimeError("git cat-file has no pipes")
        into.write(blob.encode() + b"\n")
        into.flush()
        header = out.readline().split()
        if len(header) != 3 or header[1] != b"blob":
            raise KeyError(blob)
        content = out.read(int(header[2]))
        out.read(1)
        return content


@contextmanager
def open_blobs(folder: str) -> Iterator[Blobs]:
    """`Blobs` of one repository."""
    asked = ["git", "--git-dir", str(git_directory(folder)), "cat-file", "--batch"]
    with subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Blobs(process)
        finally:
            if process.stdin is not None:
                process.stdin.close()
