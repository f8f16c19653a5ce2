"""How much is measured: the numbers of the issue, or fewer for a trial, from the environment (`BENCH_…`)."""

import os
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of the engine, given to both sides. 0: as deployed, where nothing is set."""

    batch: int
    processes: int
    threads: int

    @classmethod
    def of(cls, text: str) -> "Setting":
        """`batch/processes/threads`."""
        batch, processes, threads = (int(part) for part in text.split("/"))
        return cls(batch, processes, threads)

    def __str__(self) -> str:
        if self == DEPLOYED:
            return "as deployed"
        return f"batch {self.batch}, {self.processes} decoders, {self.threads} torch threads"


DEPLOYED = Setting(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Scale:
    """Each field is a variable, as BENCH_FILES."""

    files: int = 500
    """Files in a backlog."""
    uploads: int = 1000
    """Uploads one after the other."""
    interactive: int = 200
    """Uploads at idle, and as many again while the backfill runs."""
    backfill: int = 10_000
    """Files of the backfill."""
    lone: int = 200
    """Lone files, for latencies."""
    records: int = 10_000
    """Records of the parallel consumer's rows."""
    verdicts: int = 100_000
    """Verdicts that results persists."""
    analyses: int = 5_000_000
    """Analyses that lie in the tables when they are queried."""
    connections: int = 10_000
    """Idle streams at once, and streams that come and go."""
    readers: int = 1_000
    """Readers of the same events."""
    fanout: int = 500
    """Events that each of them gets."""
    large: int = 1024
    """MiB of a large file to upload."""
    small: int = 1000
    """Small files to upload, in each of three rounds."""
    picture: str = "1280x960"
    """Pixels of the pictures."""
    settings: str = "8/1/1 8/2/1 16/1/2 32/2/2"
    """The engine's settings to try: batch/processes/threads."""
    concurrency: str = "1 2 4"
    """Processes of Celery and Karton."""
    prefetch: str = "1 4 16"
    """Tasks that one of their processes takes at a time."""

    @classmethod
    def from_environment(cls) -> "Scale":
        """The defaults, changed by BENCH_…. Raises ValueError for what is no number."""
        given: dict[str, Any] = {}
        for field in fields(cls):
            text = os.environ.get(f"BENCH_{field.name.upper()}")
            if text:
                given[field.name] = int(text) if field.type in (int, "int") else text
        return cls(**given)

    @property
    def engine_settings(self) -> list[Setting]:
        return [Setting.of(each) for each in self.settings.split()]

    @property
    def combinations(self) -> list[tuple[int, int]]:
        """Concurrency and prefetch, each with each."""
        return [(int(one), int(other)) for one in self.concurrency.split() for other in self.prefetch.split()]

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height."""
        width, height = self.picture.split("x")
        return int(width), int(height)

    def __str__(self) -> str:
        return ", ".join(f"{field.name} {getattr(self, field.name)}" for field in fields(self))
