"""`PYTHONPATH=tests python -m evaluation [ONLY]`: measure the analyzers on the evaluation data.

ASSAY_DATA names the data, ASSAY_HOME (.assay) where eval.json is written. Exit status 0: measured; 2: data or weights
are missing (the rest is measured), or nothing is called ONLY.

ONLY         an analyzer's name, from the command line or the environment (`make eval ONLY=provenance`)
PER_CLASS    at most so many pictures of each class of a set
"""

import os
import sys
import time
from pathlib import Path

from evaluation.analyzers import EVALUATED, Evaluated
from evaluation.judging import LeftOutError, opened
from evaluation.library import Library
from evaluation.measuring import judged_sets, rows_on_sets
from evaluation.reserved import ReservedError
from evaluation.rows import Row, show, write
from evaluation.sets import DataMissingError, described


def main(arguments: list[str]) -> int:
    """Run all evaluations, or the one that is named. Returns the exit status."""
    only = arguments[0] if arguments else os.environ.get("ONLY", "")
    chosen = {name: each for name, each in EVALUATED.items() if only in ("", name)}
    if not chosen:
        return _refuse(f"There is no evaluation {only!r}. There are: {', '.join(EVALUATED)}.")
    root = os.environ.get("ASSAY_DATA")
    if not root:
        return _refuse(f"ASSAY_DATA is not set. Name the folder that holds the evaluation data:\n{described()}")
    per_class = os.environ.get("PER_CLASS")
    library = Library(Path(root), int(per_class) if per_class else None)
    rows: list[Row] = []
    for name, evaluated in chosen.items():
        try:
            rows += _measured(name, evaluated, library)
        except ReservedError as refused:
            return _refuse(str(refused))
        except (LeftOutError, DataMissingError) as missing:
            library.missing.append(str(missing))
    if rows:
        show(rows)
        path = Path(os.environ.get("ASSAY_HOME", ".assay")) / "eval.json"
        write(rows, path)
        print(f"Written to {path}")
    if library.missing:
        return _refuse("Left out, because something is missing:\n" + "\n".join(f"  {each}" for each in library.missing))
    return 0


def _measured(name: str, evaluated: Evaluated, library: Library) -> list[Row]:
    print(f"{name} …", file=sys.stderr, flush=True)
    began = time.monotonic()
    with opened(name) as judge:
        judged = judged_sets(judge, library, evaluated)
        rows = rows_on_sets(name, judged, judge.pace)
    if evaluated.more is not None:
        rows += evaluated.more(library.data)
    print(f"{name} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return rows


def _refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
