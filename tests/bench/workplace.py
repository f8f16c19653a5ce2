"""Where a run of the benchmark works: its scale, a folder of its own, its pictures and installed analyzers."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from bench import pictures
from bench.pictures import Picture
from bench.scale import Scale

TESTS = Path(__file__).resolve().parents[1]
HOME = Path(os.environ.get("ASSAY_HOME", ".assay")).absolute()
FOLDER = HOME / "bench"

ENTRY_POINTS = """\
[assay.analyzers]
bench-heavy = bench.analyzers:Heavy
bench-light = bench.analyzers:Light
bench-sleep = bench.analyzers:Sleeper
bench-quick = bench.analyzers:Quick
bench-synthetic-image = bench.shipped:Undrawn
"""


class Workplace:
    """What all rows share."""

    def __init__(self, folder: Path, scale: Scale, only: str = "") -> None:
        """only: the row that is wanted; empty: all."""
        self.folder = folder
        self.scale = scale
        self._only = only

    def wants(self, row: str) -> bool:
        """False for a row that was not asked for and can be left out of those that are measured together."""
        return self._only in ("", row)

    def say(self, line: str) -> None:
        """A line beside the table: what is tried, and what came of it."""
        print(f"  {line}", flush=True)

    def new_folder(self, name: str) -> Path:
        """A folder that nobody has used before."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    @cached_property
    def pictures(self) -> list[Picture]:
        """As many as a backlog has files."""
        width, height = self.scale.picture_size
        made = pictures.generate(self.folder / "pictures", self.scale.files, width, height)
        self.say(pictures.described(made, width, height))
        return made

    @cached_property
    def python_path(self) -> str:
        """A PYTHONPATH on which the analyzers are installed, as pip would have done it."""
        site = self.folder / "site"
        info = site / "assay_bench_analyzers-1.0.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: assay-bench-analyzers\nVersion: 1.0.0\n")
        (info / "entry_points.txt").write_text(ENTRY_POINTS)
        return os.pathsep.join([str(site), str(TESTS)])

    def child_environment(self, python: str = sys.executable, **variables: str) -> dict[str, str]:
        """For a process of the benchmark's own: nothing of Assay's settings, this package on the path."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
        return {**inherited, "PYTHONPATH": str(TESTS), "PYTHONUNBUFFERED": "1", **variables}


@contextmanager
def workplace(scale: Scale, only: str = "") -> Iterator[Workplace]:
    """A folder for one run, removed at its end."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=FOLDER))
    try:
        yield Workplace(folder, scale, only)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
