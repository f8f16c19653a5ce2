"""Bounded logs: a child appends to its file itself; the supervisor keeps the file from growing without end."""

import os
import shutil
from pathlib import Path

LARGEST_BYTES = 32 << 20
KEPT = 3


class LogFile:
    """`<name>.log`, with the ones before it as `<name>.log.1` (newest) to `<name>.log.3`."""

    def __init__(self, path: Path, largest_bytes: int = LARGEST_BYTES) -> None:
        self.path = path
        self._largest_bytes = largest_bytes

    def open(self) -> int:
        """A descriptor that appends, for a child's output."""
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def begin(self) -> None:
        """Put the log of the start before aside."""
        if self._size() > 0:
            self._shift()
            self.path.replace(self._kept(1))

    def trim(self) -> None:
        """Put a log that grew too large aside, while its child goes on writing.

        The child appends, so its next line lands at the new end. Lines written between the copy and the cut are
        lost; that is the price of children that need no pipe and outlive a busy supervisor.
        """
        if self._size() > self._largest_bytes:
            self._shift()
            shutil.copyfile(self.path, self._kept(1))
            self._kept(1).chmod(0o600)
            os.truncate(self.path, 0)

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def _kept(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

    def _shift(self) -> None:
        for number in range(KEPT - 1, 0, -1):
            if self._kept(number).exists():
                self._kept(number).replace(self._kept(number + 1))
