"""`python -m assay.inference.analyzers.splicing.training PHOTOS`: train the comparator, fit the constants.

PHOTOS holds folders of unedited photos, `<owner>+<name>` for the repository that they come from. The weights and the
list of the photos are written; the figures that `weighing.py` and `copies/weighing.py` rest on are printed. The same
photos give the same weights.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import torch

from assay.inference.analyzers.splicing.training.collecting import measured, searched
from assay.inference.analyzers.splicing.training.fitting import report_copies, report_strengths
from assay.inference.analyzers.splicing.training.learning import trained
from assay.inference.analyzers.splicing.training.listing import Listed, write
from assay.inference.analyzers.splicing.training.photos import Photo, excluded, photos

WEIGHTS = Path(__file__).parents[1] / "comparator.safetensors"


def main(arguments: list[str]) -> int:
    """Run one part, or both. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="training", description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--without", type=Path, action="append", default=[], help="hashes, or folders, not to be used")
    parser.add_argument("--most", type=int, default=120, help="photos of each folder")
    parser.add_argument("--part", choices=("noise", "copies"), help="only this one")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    without = excluded(chosen.without)
    if chosen.part in (None, "noise"):
        lines: list[Listed] = []

        def listed() -> Iterator[Photo]:
            for photo in photos(chosen.photos, most=chosen.most, without=without):
                lines.append(Listed.of(photo))
                yield photo

        pictures = measured(listed(), past=2)
        comparator = trained([each for each in pictures if not each.checks])
        comparator.write(WEIGHTS)
        write(lines)
        report_strengths([each for each in pictures if each.checks], comparator)
    if chosen.part in (None, "copies"):
        report_copies(searched(photos(chosen.photos, most=chosen.most, without=without)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
