"""Measure labelled faces, fit the constants on one half of them, and say what they do to the other.

    OMP_NUM_THREADS=1 python -m assay.inference.analyzers.face_manipulation.calibration --models MODELS \
        --repositories FOLDER --reserved RESERVED.sha256 --evaluation DATA/images DATA/video --answers answers.jsonl

FOLDER has the repositories of `sources.py`, each at its commit, as <owner>+<name>. Pictures set aside (sha256 a line)
or used in the evaluation are left out, with copies of the latter and other frames of their videos. The answers of the
networks are kept in a file and not measured again. Prints the constants of `fusion.py`, and a table.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from assay.inference.analyzers.face_manipulation.calibration.fitting import fit
from assay.inference.analyzers.face_manipulation.calibration.measuring import (
    LeftOut,
    Measured,
    kept,
    measure,
    on_first_half,
)
from assay.inference.analyzers.face_manipulation.calibration.table import rows
from assay.inference.analyzers.face_manipulation.fusion import Constants


def main() -> None:
    """Read the arguments, measure, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("models", "repositories", "reserved", "answers"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--evaluation", type=Path, required=True, nargs="+")
    given = parser.parse_args()
    hashes = given.reserved.read_text(encoding="ascii").split()
    left_out = LeftOut(hashes, (path for folder in given.evaluation for path in folder.rglob("*")))
    measured = kept(given.answers, measure(given.repositories, given.models, left_out))
    first = [each for each in measured if on_first_half(each.group)]
    second = [each for each in measured if not on_first_half(each.group)]
    told(fit(first), second)


def told(constants: Constants, measured: Sequence[Measured]) -> None:
    """Print the constants as `fusion.py` has them, and what they do to faces that they were not fitted on."""
    lines = (", ".join(f"{value:.3f}" for value in line) for line in (constants.swapped, constants.reenacted))
    print("CONSTANTS = Constants(swapped=({}), reenacted=({}))\n".format(*lines))
    for row in rows(constants, measured):
        print(row)


if __name__ == "__main__":
    main()
