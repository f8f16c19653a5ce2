"""Which attempt this is, also after a worker died: counted on disk, where the next worker of this host finds it."""

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from assay.inference.domain import Analysis

KEPT_S = 3 * 24 * 60 * 60


class Attempts:
    """One small file for each analysis that was begun and not ended, a byte for each time.

    Every analysis passes here three times, on the event loop: plain system calls, a few microseconds each. A first
    attempt makes no file, but one more name of a file with one byte that this process keeps: where a hundred files a
    second are made and removed, ext4 takes most of a millisecond for each, because it passes over those freed lately.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._one = f"{self._folder}/.{uuid4().hex}"

    async def open(self) -> None:
        """Make the folder, and forget what was begun here days ago and surely ended elsewhere."""
        await asyncio.to_thread(self._prepare_folder)

    def begin(self, analysis: Analysis) -> int:
        """Note one more attempt and return its number, from 1. An analysis that moved to another host counts anew."""
        path = self._path(analysis)
        try:
            os.link(self._one, path)
        except FileExistsError:
            return self._again(path)
        except OSError:
            # It has as many names as the file system allows, or somebody tidied it away.
            self._write(self._one, 1)
            os.link(self._one, path)
        return 1

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

    def close(self) -> None:
        """Nothing begins here any more. What was begun and not ended stays noted."""
        Path(self._one).unlink(missing_ok=True)

    def _again(self, path: str) -> int:
        number = Path(path).stat().st_size + 1
        self._write(path, number)
        return number

    def _write(self, path: str, number: int) -> None:
        """Put another file in the place of one that other analyses may share."""
        fresh = Path(f"{self._one}-new")
        fresh.write_bytes(b"." * number)
        fresh.replace(path)

    def _path(self, analysis: Analysis) -> str:
        return f"{self._folder}/{analysis.run_id}-{analysis.analyzer}"

    def _prepare_folder(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self._folder.iterdir():
            # Each name that a file gets or loses counts as a change of its status, not of its content.
            with suppress(FileNotFoundError):
                if path.stat().st_ctime < time.time() - KEPT_S:
                    path.unlink()
        self._write(self._one, 1)
