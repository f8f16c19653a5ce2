"""`PYTHONPATH=tests python -m evaluation [ONLY]`; `make eval ONLY=name`. docs/evaluation.md tells more.

Prints tables, writes eval.json and eval/*.png into ASSAY_HOME (.assay). Exit status 0: all was measured and nothing is
worse than recorded; 1: something is; 2: data or weights are missing (the rest is measured), or nothing is called ONLY.
"""

import sys
import tempfile
from pathlib import Path

from evaluation import recorded
from evaluation.analyzers import EVALUATED
from evaluation.fusing import NAME as FUSION
from evaluation.fusing import conclusion
from evaluation.library import Library
from evaluation.options import Options, WrongOptionError
from evaluation.reserved import ReservedError
from evaluation.rows import CONDITION, write
from evaluation.running import Evaluation
from evaluation.sets import SETS, described
from evaluation.tables import show


def main(arguments: list[str]) -> int:
    """Measure all, or what is named. Returns the exit status."""
    try:
        options = Options.from_environment(arguments)
    except WrongOptionError as error:
        return _refuse(str(error))
    if options.only not in ("", FUSION, *EVALUATED):
        return _refuse(f"There is no evaluation {options.only!r}. There are: {', '.join((*EVALUATED, FUSION))}.")
    if options.data is None:
        return _refuse(f"ASSAY_DATA is not set. Name the folder that holds the evaluation data:\n{described()}")
    with tempfile.TemporaryDirectory(prefix="assay-evaluation-") as scratch:
        library = Library(options.data, Path(scratch), options.per_class, options.robust_per_class, options.robust_real)
        try:
            pictures = sum(len(library.pictures(each)) for each in SETS)
        except ReservedError as refused:
            return _refuse(str(refused))
        evaluation = Evaluation(options, library)
        if pictures:
            evaluation.run()
    return _told(evaluation, options)


def _told(evaluation: Evaluation, options: Options) -> int:
    status = 0
    if evaluation.rows:
        show(evaluation.rows)
        path = options.home / "eval.json"
        write(evaluation.rows, path)
        print(f"Written to {path}, curves to {options.home / 'eval'}")
        for line in conclusion(evaluation.rows):
            print(line)
        status = _recorded(evaluation, options)
    if evaluation.missing:
        missing = "\n".join(f"  {each}" for each in evaluation.missing)
        print(f"Left out, because something is missing:\n{missing}", file=sys.stderr)
        return status or 2
    return status


def _recorded(evaluation: Evaluation, options: Options) -> int:
    """Record the figures, or say what is worse than recorded; 1 where something is."""
    if options.per_class is not None:
        print("PER_CLASS is set: these figures are not compared with the recorded ones.")
        return 0
    if options.record:
        recorded.record(evaluation.rows, evaluation.weights)
        print(f"Recorded in {recorded.RECORDED}")
        return 0
    known = recorded.read()
    if not options.is_robust_as_recorded:
        known = {name: each for name, each in known.items() if CONDITION not in name}
    worse = recorded.worse(evaluation.rows, known, evaluation.weights)
    for each in worse:
        print(f"WORSE than recorded: {each}")
    return int(bool(worse))


def _refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
