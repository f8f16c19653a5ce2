"""One analyzer on the sets of its claims, and on the real pictures of all others."""

from collections.abc import Sequence

from evaluation.aims import with_aim
from evaluation.analyzers import Evaluated
from evaluation.figures import rows_of
from evaluation.judging import Judge, Judgement, Pace
from evaluation.library import Library
from evaluation.rows import Row, row
from evaluation.sets import SETS, LabelledSet, applying

ALL_REAL = "all_real"
"""The name of the real pictures of all sets together."""


def judged_sets(judge: Judge, library: Library, evaluated: Evaluated) -> dict[str, list[Judgement]]:
    """What the analyzer says of every picture that its figures are about, by the name of the set."""
    own = own_sets(judge.manifest.claims, judge.manifest.name, evaluated)
    found = {}
    for each in own:
        if pictures := library.pictures(each):
            found[each.name] = judge.judge(pictures)
    if evaluated.sets is None:
        for each in SETS:
            if each not in own and not each.only and each.negatives:
                pictures = [picture for picture in library.pictures(each) if not picture.truth]
                if pictures:
                    found[each.name] = judge.judge(pictures)
    return found


def own_sets(claims: Sequence[str], analyzer: str, evaluated: Evaluated) -> list[LabelledSet]:
    """The sets on which it is measured."""
    sets = applying(claims, analyzer)
    return [each for each in sets if evaluated.sets is None or each.name in evaluated.sets]


def rows_on_sets(analyzer: str, judged: dict[str, list[Judgement]], pace: Pace) -> list[Row]:
    """Its figures on each set, on all real pictures together, and how fast it was."""
    rows = []
    for name, judgements in judged.items():
        rows += rows_of(f"{analyzer}/{name}", judgements)
    real = [each for judgements in judged.values() for each in judgements if not each.picture.truth]
    if real:
        rows += rows_of(f"{analyzer}/{ALL_REAL}", real)
    rows += pace_rows(analyzer, pace)
    failed = sum(each.error is not None for judgements in judged.values() for each in judgements)
    total = sum(map(len, judged.values()))
    if total:
        rows.append(row(f"{analyzer}/all/failed", failed, "pictures", n=total))
    return [with_aim(each) for each in rows]


def pace_rows(analyzer: str, pace: Pace) -> list[Row]:
    if not pace.pictures:
        return []
    return [
        row(f"{analyzer}/all/images_per_second", pace.pictures / pace.wall_s, "1/s", n=pace.pictures),
        row(f"{analyzer}/all/cpu_per_image", pace.cpu_s / pace.pictures, "s", n=pace.pictures),
    ]
