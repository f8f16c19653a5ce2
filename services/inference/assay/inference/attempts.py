"""Which attempt this is, also after a worker died: counted on disk, where the next worker of this host finds it."""

import asyncio
import time
from pathlib import Path
from uuid import uuid5

from assay.inference.domain import Analysis

KEPT_S = 3 * 24 * 60 * 60


class Attempts:
    """One small file for each analysis that was begun and not ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    async def open(self) -> None:
        """Make the folder, and forget what was begun here days ago and surely ended elsewhere."""
        await asyncio.to_thread(self._prepare_folder)

    def begin(self, analysis: Analysis) -> int:
        """Note one more attempt and return its number, from 1. An analysis that moved to another host counts anew."""
        number = self.of(analysis) + 1
        self._path(analysis).write_text(str(number), encoding="ascii")
        return number

    def of(self, analysis: Analysis) -> int:
        """How often it was begun; 0 for one that never was, or that has its end."""
        try:
            return int(self._path(analysis).read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return 0

    def end(self, analysis: Analysis) -> None:
        """The analysis has its end."""
        self._path(analysis).unlink(missing_ok=True)

    def _path(self, analysis: Analysis) -> Path:
        return self._folder / str(uuid5(analysis.run_id, analysis.analyzer))

    def _prepare_folder(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self._folder.iterdir():
            if path.stat().st_mtime < time.time() - KEPT_S:
                path.unlink(missing_ok=True)
