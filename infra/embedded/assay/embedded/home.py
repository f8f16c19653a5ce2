"""The folder that holds everything a stack keeps: data, credentials, ports, logs (`ASSAY_HOME`)."""

import fcntl
import json
import os
import shutil
import time
from pathlib import Path

from assay.embedded.errors import AlreadyRunningError, StackError

LEAST_FREE_BYTES = 1 << 30
"""Under this much free disk the stack does not start: Kafka and PostgreSQL stop badly on a full disk."""

MARGIN = 5.0
"""Seconds that the processes of a killed supervisor get to disappear."""


class Home:
    """Paths inside one home, and the lock that keeps two supervisors apart."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.token = self.path / "token"
        self._lock: int | None = None

    def folder(self, name: str) -> Path:
        """A private folder of the home, made when it is missing."""
        folder = self.path / name
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StackError(f"cannot make the folder {folder}: {error.strerror}; set ASSAY_HOME to another") from error
        return folder

    def open(self) -> int:
        """Make the home and lock it. Returns the lock's descriptor, which the watchdog inherits.

        Raises AlreadyRunningError while another supervisor, or what is left of it, holds the lock.
        """
        self.folder(".").chmod(0o700)
        self.folder("logs")
        self._check_free_space()
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + MARGIN
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = os.pread(descriptor, 200, 0).decode().strip()
                if _is_alive(holder) or time.monotonic() > deadline:
                    os.close(descriptor)
                    raise AlreadyRunningError(
                        f"Assay already runs in {self.path} (process {holder or 'unknown'}); stop it with Ctrl-C there,"
                        " or set ASSAY_HOME and ASSAY_PORT to run a second one"
                    ) from None
                time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._lock = descriptor
        return descriptor

    def close(self) -> None:
        """Give the lock back. The file stays: removing it would let two supervisors lock two files."""
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def write_private(self, path: Path, text: str) -> None:
        """Write a file that only its owner can read, whole or not at all."""
        draft = path.with_name(path.name + ".new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def read_json(self, name: str) -> dict[str, object]:
        """A JSON object kept in the home; empty when there is none yet."""
        path = self.path / name
        if not path.exists():
            return {}
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise StackError(f"{path} is not JSON ({error}); repair it, or remove it to have it made again") from error
        if not isinstance(value, dict):
            raise StackError(f"{path} is not a JSON object; repair it, or remove it to have it made again")
        return value

    def write_json(self, name: str, value: dict[str, object]) -> None:
        self.write_private(self.path / name, json.dumps(value, indent=2) + "\n")

    def _check_free_space(self) -> None:
        free = shutil.disk_usage(self.path).free
        if free < LEAST_FREE_BYTES:
            raise StackError(
                f"only {free / 1e6:.0f} MB are free for {self.path} and Assay needs {LEAST_FREE_BYTES / 1e6:.0f} MB"
                " to start; free some, or set ASSAY_HOME to a folder on a larger disk"
            )


def _is_alive(pid: str) -> bool:
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
