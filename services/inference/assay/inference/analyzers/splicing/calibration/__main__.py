"""`python -m assay.inference.analyzers.splicing.calibration PHOTOS`: train the comparator, fit the constants.

PHOTOS holds folders of unedited photos, one for each source. The weights are written beside the analyzer; the figures
that `weighing.py` and `copies/weighing.py` rest on are printed.
"""

import argparse
import sys
from pathlib import Path

import cv2
import torch

from assay.inference.analyzers.splicing.calibration.collecting import measured, searched
from assay.inference.analyzers.splicing.calibration.fitting import report_copies, report_strengths
from assay.inference.analyzers.splicing.calibration.photos import excluded, photos
from assay.inference.analyzers.splicing.calibration.training import trained

WEIGHTS = Path(__file__).parents[1] / "comparator.safetensors"


def main(arguments: list[str]) -> int:
    """Run one part, or both. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="calibration", description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--without", type=Path, action="append", default=[], help="hashes, or folders, not to be used")
    parser.add_argument("--most", type=int, default=120, help="photos of each folder")
    parser.add_argument("--part", choices=("noise", "copies"), help="only this one")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    without = excluded(chosen.without)
    if chosen.part in (None, "noise"):
        pictures = measured(photos(chosen.photos, most=chosen.most, without=without), past=2)
        comparator = trained([each for each in pictures if not each.checks])
        comparator.write(WEIGHTS)
        report_strengths([each for each in pictures if each.checks], comparator)
    if chosen.part in (None, "copies"):
        report_copies(searched(photos(chosen.photos, most=chosen.most, without=without)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
