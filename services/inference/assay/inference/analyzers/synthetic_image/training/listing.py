"""The list of pictures: what is trained on, what is calibrated on, and that neither is what others measure on.

Left out: files whose sha256 is reserved; pictures that are the same (see near_duplicates) as a reserved one that lies
in a fetched repository, as a picture of the evaluation sets, or as one listed before.
"""

import csv
import gzip
import hashlib
import io
from collections import Counter
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from PIL import Image

from assay.inference.analyzers.synthetic_image.training import repositories
from assay.inference.analyzers.synthetic_image.training.near_duplicates import Known, Likeness, likeness
from assay.inference.analyzers.synthetic_image.training.sources import SOURCES, Source

LIST = Path(__file__).parent / "pictures.csv.gz"

RESERVED_IN = (
    "DHANUSH7140+REAL-VS-AI-IMAGE-DETECTION-AND-SIMILAR-OBJECT-DETECTION",
    "tharunnayak14+Real-vs-Fake-Face-Detection",
    "haywoodsloan+ai-image-detector",
    "ML72+AI-Image-Classifier-Playground",
    "nood-co1+poidh-local-ai-image-detector",
    "EASONTAN03+fake-face-detection",
)
"""Repositories that hold reserved pictures: those are looked at here only to keep their likenesses out."""

_PICTURES = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True)
class Listed:
    """One line of the list."""

    source: str
    repository: str
    commit: str
    path: str
    blob: str
    sha256: str
    synthetic: int
    split: str


def read_list() -> list[Listed]:
    """The list as committed."""
    with gzip.open(LIST, "rt", newline="", encoding="utf-8") as stream:
        rows = csv.DictReader(stream)
        return [Listed(**{**row, "synthetic": int(row["synthetic"])}) for row in rows]  # type: ignore[arg-type]


def first_of_each(listed: list[Listed], most: int) -> list[Listed]:
    """At most so many of each source, ordered by repository, then by sha256."""
    seen: Counter[str] = Counter()
    kept = []
    for one in sorted(listed, key=lambda one: (one.repository, one.sha256)):
        seen[one.source] += 1
        if seen[one.source] <= most:
            kept.append(one)
    return kept


def write_list(listed: list[Listed]) -> None:
    """Write the list, the same bytes for the same list."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([field.name for field in fields(Listed)])
    writer.writerows(astuple(one) for one in listed)
    LIST.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


def make_list(reserved_file: Path, evaluation: Path) -> None:
    """Write `pictures.csv.gz` anew from the fetched repositories.

    reserved_file: lines of sha256. evaluation: the folder of the sets that are measured on.
    """
    reserved = {line.split()[0] for line in reserved_file.read_text().splitlines() if line.strip()}
    known = Known()
    _remember_evaluation(evaluation, known)
    _remember_reserved(reserved, known)
    listed: list[Listed] = []
    why_not: Counter[str] = Counter()
    for split in ("calibrate", "train"):
        for source in SOURCES:
            if source.split == split:
                listed += _of_source(source, reserved, known, why_not)
    write_list(listed)
    print(f"{len(listed)} pictures; left out: {dict(why_not)}")
    for (name, mark), count in sorted(Counter((one.source, one.synthetic) for one in listed).items()):
        print(f"  {name:20} {'synthetic' if mark else 'real':10} {count}")


def _remember_evaluation(evaluation: Path, known: Known) -> None:
    for path in sorted(evaluation.rglob("*")):
        if path.suffix.lower() in _PICTURES:
            known.add(_likeness_of(path.read_bytes()), f"evaluation {path.parent.name}")


def _remember_reserved(reserved: set[str], known: Known) -> None:
    found = 0
    for folder in RESERVED_IN:
        with repositories.open_blobs(folder) as blobs:
            for path, blob in repositories.files_of(folder):
                if path.lower().endswith(_PICTURES):
                    content = blobs.read(blob)
                    if hashlib.sha256(content).hexdigest() in reserved:
                        known.add(_likeness_of(content), f"reserved {folder}")
                        found += 1
    print(f"{found} reserved pictures lie in the fetched repositories")


def _of_source(source: Source, reserved: set[str], known: Known, why_not: Counter[str]) -> list[Listed]:
    listed: list[Listed] = []
    commit = repositories.commit_of(source.folder)
    files = [(path, blob) for path, blob in repositories.files_of(source.folder) if source.paths.search(path)]
    with repositories.open_blobs(source.folder) as blobs:
        read = sorted((hashlib.sha256(blobs.read(blob)).hexdigest(), path, blob) for path, blob in files)
        for sha256, path, blob in read:
            if source.limit is not None and len(listed) == source.limit:
                break
            if sha256 in reserved:
                why_not["reserved"] += 1
                continue
            try:
                content = blobs.read(blob)
                with Image.open(io.BytesIO(content)) as image:
                    if min(image.size) < source.smallest:
                        why_not["too small"] += 1
                        continue
                like = _likeness_of(content)
            except OSError:
                why_not["unreadable"] += 1
                continue
            same = known.find(like)
            if same is not None:
                why_not[f"same as {same if same.startswith(('evaluation', 'reserved')) else 'one listed'}"] += 1
                continue
            known.add(like, source.name)
            listed.append(
                Listed(source.name, source.repository, commit, path, blob, sha256, int(source.synthetic), source.split)
            )
    return listed


def _likeness_of(content: bytes) -> Likeness:
    with Image.open(io.BytesIO(content)) as image:
        image.draft("L", (64, 64))
        return likeness(image)
