"""What one analyzer says of the sets, and its figures."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from evaluation.aims import with_aim
from evaluation.analyzers import Evaluated
from evaluation.conditions import CONDITIONS
from evaluation.figures import rows_of
from evaluation.judging import Judge, Judgement, Pace
from evaluation.library import Library
from evaluation.rows import CONDITION, Row, row
from evaluation.sets import SETS, LabelledSet, applying

ALL_REAL = "all_real"
"""The name of the real, unedited pictures of all sets together, without those that were made here of the others."""

_MADE = {each.name for each in SETS if each.maker is not None}

ROBUST = ("auc", "recall", "false_alarms", "coverage")
ROBUST_DRAWS = 300

Judged = dict[str, list[Judgement]]
"""Judgements by the name of the set."""


def own_sets(judge: Judge, evaluated: Evaluated) -> list[LabelledSet]:
    """The sets on which an analyzer gets all figures."""
    sets = applying(judge.manifest.claims, judge.manifest.name)
    return [each for each in sets if evaluated.sets is None or each.name in evaluated.sets]


def judged_sets(judge: Judge, library: Library, evaluated: Evaluated, *, whole: bool) -> Judged:
    """What it says of the pictures that its figures are about. whole: of all pictures of all sets, for the fusion."""
    own = own_sets(judge, evaluated)
    found = {}
    for each in SETS:
        pictures = library.pictures(each) if each in own or not each.only else []
        if each not in own and not whole:
            pictures = [picture for picture in pictures if not picture.truth]
        if pictures:
            with timed(f"  {each.name}, {len(pictures)} pictures"):
                found[each.name] = judge.judge(pictures)
    return found


def rows_on_sets(judge: Judge, evaluated: Evaluated, judged: Judged) -> list[Row]:
    """All figures on its own sets, false alarms on the real pictures of the others, and of all together."""
    analyzer = judge.manifest.name
    own = {each.name for each in own_sets(judge, evaluated)}
    rows, real = [], []
    for name, judgements in judged.items():
        negatives = [each for each in judgements if not each.picture.truth]
        if name in own:
            rows += rows_of(f"{analyzer}/{name}", judgements)
        elif negatives:
            rows += rows_of(f"{analyzer}/{name}", negatives)
        if name not in _MADE:
            real += [each for each in negatives if each.picture.claim is None]
    if real:
        rows += rows_of(f"{analyzer}/{ALL_REAL}", real)
    return [with_aim(each) for each in rows]


def rows_of_work(analyzer: str, pace: Pace, judged: Sequence[Judgement]) -> list[Row]:
    """How fast it was, and how often it failed."""
    if not pace.pictures:
        return []
    failed = sum(each.error is not None for each in judged)
    return [
        row(f"{analyzer}/all/images_per_second", pace.pictures / pace.wall_s, "1/s", n=pace.pictures),
        row(f"{analyzer}/all/cpu_per_image", pace.cpu_s / pace.pictures, "s", n=pace.pictures),
        row(f"{analyzer}/all/failed", failed, "pictures", n=len(judged), aim=0),
    ]


def rows_in_conditions(
    judge: Judge, evaluated: Evaluated, judged: Mapping[str, Sequence[Judgement]], library: Library
) -> list[Row]:
    """The robustness table: `<analyzer>/<set>+<condition>/<figure>`, and the real photos of all sets together.

    `clean` are the same pictures as they are.
    """
    analyzer = judge.manifest.name
    rows: list[Row] = []
    real: dict[str, list[Judgement]] = {condition: [] for condition in ("clean", *CONDITIONS)}
    own = own_sets(judge, evaluated)
    for each in SETS:
        if not _is_worsened(each, own, evaluated):
            continue
        chosen = library.for_conditions(each) if each in own else []
        photos = [] if each.name in _MADE else library.real_for_conditions(each)
        known = {judgement.picture: judgement for judgement in judged.get(each.name, ())}
        wanted = list(dict.fromkeys([*chosen, *photos]))
        for condition in real if wanted else ():
            if condition != "clean":
                with timed(f"  {each.name}{CONDITION}{condition}, {len(wanted)} pictures"):
                    copies = library.worsened(each, condition)
                    known = dict(zip(wanted, judge.judge([copies[picture] for picture in wanted]), strict=True))
            if chosen:
                name, judgements = f"{analyzer}/{each.name}{CONDITION}{condition}", [known[each] for each in chosen]
                rows += rows_of(name, judgements, only=ROBUST, count=ROBUST_DRAWS)
            real[condition] += [known[picture] for picture in photos]
    for condition, judgements in real.items():
        if judgements:
            rows += rows_of(f"{analyzer}/{ALL_REAL}{CONDITION}{condition}", judgements, only=ROBUST)
    return [with_aim(each) for each in rows]


def _is_worsened(wanted: LabelledSet, own: Sequence[LabelledSet], evaluated: Evaluated) -> bool:
    """Its own sets, and the real photos of the others, but for those that were made here of others' photos."""
    if evaluated.robust is not None:
        return wanted in own and wanted.name in evaluated.robust
    return wanted in own or (not wanted.only and wanted.name not in _MADE)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Say on standard error how long it took."""
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
