"""`python -m assay.inference.evaluation [ONLY]`: measure the analyzers on the evaluation data.

ASSAY_DATA names the data, ASSAY_HOME (.assay) where eval.json is written. ONLY is an analyzer's name, from the command
line or the environment (`make eval ONLY=provenance`). Exit status 2 where data is missing or nothing is called ONLY.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from assay.inference.evaluation.jpeg_forensics import evaluate_jpeg_forensics
from assay.inference.evaluation.measures import Row, show, write
from assay.inference.evaluation.provenance import evaluate_provenance
from assay.inference.evaluation.sets import described

EVALUATIONS: dict[str, Callable[[Path], list[Row]]] = {
    "provenance": evaluate_provenance,
    "jpeg-forensics": evaluate_jpeg_forensics,
}


def main(arguments: list[str]) -> int:
    """Run all evaluations, or the one that is named. Returns the exit status."""
    only = arguments[0] if arguments else os.environ.get("ONLY", "")
    chosen = {name: run for name, run in EVALUATIONS.items() if only in ("", name)}
    if not chosen:
        return _refuse(f"There is no evaluation {only!r}. There are: {', '.join(EVALUATIONS)}.")
    root = os.environ.get("ASSAY_DATA")
    if not root:
        return _refuse(f"ASSAY_DATA is not set. Name the folder that holds the evaluation data:\n{described()}")
    rows: list[Row] = []
    for name, evaluate in chosen.items():
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            rows += evaluate(Path(root))
        except FileNotFoundError as missing:
            return _refuse(f"Data is missing for {name}: {missing}")
    show(rows)
    path = Path(os.environ.get("ASSAY_HOME", ".assay")) / "eval.json"
    write(rows, path)
    print(f"Written to {path}")
    return 0


def _refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
