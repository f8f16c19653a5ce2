"""Which photos took part: so that anybody can get them, and see that none of them is measured on."""

import csv
import gzip
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from assay.inference.analyzers.splicing.training.photos import Photo

PICTURES = Path(__file__).with_name("pictures.csv.gz")
COLUMNS = ("sha256", "repository", "blob", "path", "role")


@dataclass(frozen=True, slots=True, order=True)
class Listed:
    """A line of the list. role: train, or check for calibration."""

    sha256: str
    repository: str
    blob: str
    path: str
    role: str

    @classmethod
    def of(cls, photo: Photo) -> "Listed":
        return cls(photo.sha256, photo.repository, photo.blob, photo.path, "check" if photo.checks else "train")


def write(lines: Iterable[Listed], path: Path = PICTURES) -> None:
    """Keep the list, compressed; the same bytes each time."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(line) for line in sorted(lines))
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
