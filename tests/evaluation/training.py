"""Are pictures that an analyzer was trained on among those that it is measured on? There must be none.

An analyzer that was trained here lists its pictures in `training/pictures.csv.gz` of its package, with a column sha256.
Their fingerprints lie in `trained_on/<analyzer>.gz` beside this file, made by

    PYTHONPATH=tests python -m evaluation.training ANALYZER REPOSITORIES

from git directories `REPOSITORIES/<owner>+<name>/repo` of the list's columns repository and blob.
"""

import csv
import gzip
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path

from evaluation.duplicates import Fingerprint, fingerprint_of, near_duplicates, read, write
from evaluation.library import Library
from evaluation.rows import Row, row
from evaluation.sets import Labelled

FINGERPRINTS = Path(__file__).with_name("trained_on")
LIST = Path("training") / "pictures.csv.gz"
SHOWN = 10

Picture = dict[str, str]


def listed(analyzer: str) -> list[Picture]:
    """The training pictures that its package names; none where it has no such list."""
    for point in entry_points(group="assay.analyzers", name=analyzer):
        spec = find_spec(point.module)
        for folder in (spec and spec.submodule_search_locations) or ():
            if (path := Path(folder) / LIST).is_file():
                with gzip.open(path, "rt", newline="", encoding="utf-8") as stream:
                    return list(csv.DictReader(stream))
    return []


def rows_of_training(analyzer: str, pictures: Iterable[Labelled], library: Library) -> list[Row]:
    """How many pictures are among those trained on, and of how many of these nothing but the hash is known.

    No rows for an analyzer that lists no training pictures.
    """
    hashes = {each["sha256"] for each in listed(analyzer)}
    path = FINGERPRINTS / f"{analyzer}.gz"
    known = [each for each in read(path) if each.sha256 in hashes] if path.is_file() else []
    if not hashes:
        return []
    names = {}
    for picture in pictures:
        if (seen := library.fingerprint(picture)) is not None:
            names[seen] = str(picture.path)
    found = {one.sha256: (one, other.name) for one, other in near_duplicates(names, known)}
    found |= {each.sha256: (each, "the same bytes") for each in names if each.sha256 in hashes}
    for one, other in list(found.values())[:SHOWN]:
        print(f"  {names[one]} is also among the training pictures: {other}", file=sys.stderr)
    unknown = len(hashes) - len({each.sha256 for each in known})
    return [
        row(f"{analyzer}/all/training_duplicates", len(found), "pictures", n=len(names), aim=0),
        row(f"{analyzer}/all/training_without_fingerprint", unknown, "pictures", n=len(hashes), aim=0),
    ]


def fingerprints(pictures: Iterable[Picture], repositories: Path) -> Iterator[Fingerprint]:
    """Of pictures in git repositories. One that cannot be read as a picture is named and left out."""
    for repository, some in groupby(sorted(pictures, key=_repository), key=_repository):
        folder = repositories / repository.replace("/", "+") / "repo"
        with subprocess.Popen(
            ["git", f"--git-dir={folder}", "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as git:
            assert git.stdin is not None and git.stdout is not None
            for each in some:
                git.stdin.write(f"{each['blob']}\n".encode())
                git.stdin.flush()
                size = git.stdout.readline().split()[-1]
                content = git.stdout.read(int(size) + 1)[:-1] if size.isdigit() else b""
                try:
                    yield fingerprint_of(content, f"{repository} {each['path']}")
                except OSError as error:
                    print(f"{repository} {each['path']}: {error}", file=sys.stderr)


def _repository(picture: Picture) -> str:
    return picture["repository"]


def main(analyzer: str, repositories: str) -> int:
    """Make the fingerprints of an analyzer's training pictures."""
    FINGERPRINTS.mkdir(exist_ok=True)
    write(fingerprints(listed(analyzer), Path(repositories)), FINGERPRINTS / f"{analyzer}.gz")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
