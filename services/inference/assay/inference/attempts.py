"""Which attempt this is, also after a worker died: counted on disk, where the next worker of this host finds it."""

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path

from assay.inference.domain import Analysis

KEPT_S = 3 * 24 * 60 * 60


class Attempts:
    """One small file for each analysis that was begun and not ended, a byte for each time.

    Every analysis passes here three times, on the event loop: plain system calls, a few microseconds each.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    async def open(self) -> None:
        """Make the folder, and forget what was begun here days ago and surely ended elsewhere."""
        await asyncio.to_thread(self._prepare_folder)

    def begin(self, analysis: Analysis) -> int:
        """Note one more attempt and return its number, from 1. An analysis that moved to another host counts anew."""
        descriptor = os.open(self._path(analysis), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, b".")
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def of(self, analysis: Analysis) -> int:
        """How often it was begun; 0 for one that never was, or that has its end."""
        try:
            return os.stat(self._path(analysis)).st_size  # noqa: PTH116 - a Path costs as much again
        except FileNotFoundError:
            return 0

    def end(self, analysis: Analysis) -> None:
        """The analysis has its end."""
        with suppress(FileNotFoundError):
            os.unlink(self._path(analysis))  # noqa: PTH108 - as above

    def _path(self, analysis: Analysis) -> str:
        return f"{self._folder}/{analysis.run_id}-{analysis.analyzer}"

    def _prepare_folder(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self._folder.iterdir():
            if path.stat().st_mtime < time.time() - KEPT_S:
                path.unlink(missing_ok=True)
