"""Are pictures that an analyzer was trained on among those that it is measured on? There must be none."""

import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from evaluation.duplicates import near_duplicates, read
from evaluation.library import Library
from evaluation.rows import Row, row
from evaluation.sets import Labelled

LIST = Path("training") / "fingerprints.txt"
SHOWN = 10


def training_list(analyzer: str) -> Path | None:
    """The fingerprints of its training pictures, in its package; None where it has no such list."""
    for point in entry_points(group="assay.analyzers", name=analyzer):
        spec = find_spec(point.module)
        for folder in (spec and spec.submodule_search_locations) or ():
            if (path := Path(folder) / LIST).is_file():
                return path
    return None


def rows_of_training(analyzer: str, pictures: Iterable[Labelled], library: Library) -> list[Row]:
    """How many of the pictures are near-duplicates of training pictures; nothing where nothing was trained on."""
    path = training_list(analyzer)
    if path is None:
        return []
    names = {}
    for picture in pictures:
        if (seen := library.fingerprint(picture)) is not None:
            names[seen] = str(picture.path)
    pairs = list(near_duplicates(names, read(path)))
    for one, other in pairs[:SHOWN]:
        print(f"  {names[one]} is also among the training pictures: {other.name or other.sha256}", file=sys.stderr)
    hit = len({one.sha256 for one, _ in pairs})
    return [row(f"{analyzer}/all/training_duplicates", hit, "pictures", n=len(names), aim=0)]
