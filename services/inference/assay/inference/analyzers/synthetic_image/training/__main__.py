"""One entry for every step: `python -m assay.inference.analyzers.synthetic_image.training STEP [options]`.

In order: list, build (README.md says which passes), view, reconstruct, align, leak, train, measure, calibrate,
leave-out; portraits and calibrate-portraits need none of these. Each needs what those before it wrote. The fetched
repositories lie in the folder that ASSAY_TRAINING_DATA names, the weights of autoencoders (`reconstruct`) in the one
that ASSAY_TRAINING_AUTOENCODERS names.
"""

import argparse
from pathlib import Path

from assay.inference.analyzers.synthetic_image.analyzer import PORTRAITS, WEIGHTS

_WEIGHTS = Path(__file__).parents[1] / WEIGHTS
_PORTRAITS = Path(__file__).parents[1] / PORTRAITS


def main() -> None:
    """Run one step."""
    arguments = _parser().parse_args()
    # what a step imports is heavy, and the others do without
    if arguments.step == "list":
        from assay.inference.analyzers.synthetic_image.training.listing import make_list

        make_list(arguments.reserved, arguments.evaluation)
    elif arguments.step == "build":
        from assay.inference.analyzers.synthetic_image.training.building import build

        build(arguments.folder, arguments.split, arguments.number, arguments.most, arguments.only, arguments.without)
    elif arguments.step == "view":
        from assay.inference.analyzers.synthetic_image.training.viewing import write_views

        write_views(arguments.folder)
    elif arguments.step == "reconstruct":
        from assay.inference.analyzers.synthetic_image.training.reconstructing import write_regions

        write_regions(arguments.folder, arguments.number, arguments.half, arguments.only, arguments.without)
    elif arguments.step == "align":
        from assay.inference.analyzers.synthetic_image.training.aligning import align

        align(arguments.folder, arguments.number)
    elif arguments.step == "leak":
        from assay.inference.analyzers.synthetic_image.training.leak import leak

        leak(arguments.folder)
    elif arguments.step == "train":
        from assay.inference.analyzers.synthetic_image.training.fitting import train

        train(arguments.folder, arguments.weights)
    elif arguments.step == "leave-out":
        from assay.inference.analyzers.synthetic_image.training.fitting import leave_out

        leave_out(arguments.folder)
    elif arguments.step == "measure":
        from assay.inference.analyzers.synthetic_image.training.calibrating import measure

        measure(arguments.weights, arguments.table)
    elif arguments.step == "portraits":
        from assay.inference.analyzers.synthetic_image.training.fitting_portraits import train_portraits

        train_portraits(arguments.weights)
    elif arguments.step == "calibrate-portraits":
        from assay.inference.analyzers.synthetic_image.training.calibrating_portraits import calibrate_portraits

        calibrate_portraits(arguments.weights)
    else:
        from assay.inference.analyzers.synthetic_image.training.calibrating import calibrate

        calibrate(arguments.table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="synthetic_image.training")
    steps = parser.add_subparsers(dest="step", required=True)
    listing = steps.add_parser("list", help="list the pictures of the fetched repositories, none that is measured on")
    listing.add_argument("--reserved", type=Path, required=True, help="file of sha256 set aside")
    listing.add_argument("--evaluation", type=Path, required=True, help="folder of the evaluation sets")
    build = steps.add_parser("build", help="cut crops after random ways through the web")
    build.add_argument("--split", choices=("train", "calibrate"), required=True)
    build.add_argument("--most", type=int, default=10_000, help="pictures of a source at most")
    view = steps.add_parser("view", help="cut crops of unchanged pictures, as the analyzer does")
    reconstruct = steps.add_parser("reconstruct", help="send regions of photos through autoencoders")
    align = steps.add_parser("align", help="cut crops of photos and their reconstructions after the same random ways")
    for step in (build, reconstruct):
        step.add_argument("--only", nargs="*", default=(), help="names of sources; all if not given")
        step.add_argument("--without", nargs="*", default=(), help="names of sources left out")
    reconstruct.add_argument("--number", type=int, required=True, help="of the file that is written")
    reconstruct.add_argument("--half", choices=("even", "odd", "both"), default="both", help="of the photos")
    for step in (build, align):
        step.add_argument(
            "--number", type=int, required=True, help="another number draws other ways; odd ones are mild"
        )
    leak = steps.add_parser("leak", help="show that size and compression alone tell nothing")
    train = steps.add_parser("train", help="train the network")
    leave_out = steps.add_parser("leave-out", help="train without one group after another, and measure on it")
    for step in (build, view, reconstruct, align, leak, train, leave_out):
        step.add_argument("--folder", type=Path, required=True, help="where the crops lie")
    measure = steps.add_parser("measure", help="score whole pictures of the sources kept for calibration")
    for step in (train, measure):
        step.add_argument("--weights", type=Path, default=_WEIGHTS)
    portraits = steps.add_parser("portraits", help="train the networks that judge portraits")
    of_portraits = steps.add_parser("calibrate-portraits", help="fit curve and thresholds to portraits kept out")
    for step in (portraits, of_portraits):
        step.add_argument("--weights", type=Path, default=_PORTRAITS)
    calibrate = steps.add_parser("calibrate", help="fit the curve and the thresholds to what `measure` wrote")
    for step in (measure, calibrate):
        step.add_argument("--table", type=Path, required=True, help="a csv file")
    return parser


if __name__ == "__main__":
    main()
