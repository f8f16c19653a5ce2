"""Is the report better than the best single analyzer? Chosen on one half of the pictures, measured on the other.

What a report says of a set's claim is its score of that claim; where it has none, 0.5: nothing is known. The single
analyzers are read in the same way, and the best one is chosen on the first half. `auc_gain` is the fused AUC minus
that one's, on the second half; `auc_gain_over_raw` compares with the best raw score, which speaks up even where its
analyzer abstains and which no report ever shows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.contracts import Report, Verdict
from assay.results.fusion import Outcome, fuse
from evaluation.aims import with_aim
from evaluation.figures import Floats, Truths, area, rows_of
from evaluation.intervals import Interval, drawn, draws
from evaluation.judging import Judgement
from evaluation.library import chance_of
from evaluation.measuring import ALL_REAL, Judged
from evaluation.rows import Row, row
from evaluation.sets import SETS, LabelledSet

NAME = "fusion"
NOTHING_KNOWN = 0.5

Reading = Callable[[Judgement], float]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A picture with what each analyzer said, and the report of it, read for one claim; None: for its own."""

    judgements: Mapping[str, Judgement]
    report: Report
    claim: str | None

    @property
    def score(self) -> float | None:
        """What the report says of the claim."""
        if self.claim is None:
            return self.report.score
        return next((each.score for each in self.report.claims if each.claim == self.claim), None)

    @property
    def reported(self) -> Judgement:
        """The report, as if it were an analyzer's verdict; its raw score is there for every picture."""
        verdict = Verdict(
            label=self.report.label,
            claim=self.claim or self.report.claim or "manipulated",
            score=self.score,
            confidence=self.report.confidence,
        )
        picture = next(iter(self.judgements.values())).picture
        return Judgement(picture, verdict, published(self.score), None, 0.0)


def published(score: float | None) -> float:
    """What a reader makes of a score, or of none."""
    return NOTHING_KNOWN if score is None else score


def _by_score(judgement: Judgement) -> float:
    return published(judgement.score)


def _by_raw_score(judgement: Judgement) -> float:
    return NOTHING_KNOWN if judgement.raw is None else judgement.raw


def cases(judged: Mapping[str, Judged], of: LabelledSet) -> list[Case]:
    """The pictures of a set that every analyzer has seen, with their reports."""
    columns = {analyzer: sets[of.name] for analyzer, sets in judged.items() if of.name in sets}
    found = []
    for each in zip(*columns.values(), strict=True):
        judgements = dict(zip(columns, each, strict=True))
        outcomes = [Outcome(analyzer, said.verdict, said.error) for analyzer, said in judgements.items()]
        found.append(Case(judgements, fuse(outcomes), of.claim))
    return found


def halves(some: Sequence[Case], name: str) -> tuple[list[Case], list[Case]]:
    """To choose on, and to report on: by the source of the picture, so that no source is in both."""
    chosen, reported = [], []
    for case in some:
        source = case.reported.picture.source
        (reported if chance_of(f"{name}/{source}") % 2 else chosen).append(case)
    return chosen, reported


def rows_of_fusion(judged: Mapping[str, Judged], claims: Mapping[str, Sequence[str]]) -> list[Row]:
    """All rows. judged: of every analyzer.  claims: of their manifests."""
    rows: list[Row] = []
    real: list[Judgement] = []
    for each in SETS:
        if each.only:
            continue
        chosen, reported = halves(cases(judged, each), each.name)
        judgements = [case.reported for case in reported]
        if each.maker is None:
            real += [judgement for judgement in judgements if not judgement.picture.truth]
        if each.claim is None or not _has_both(chosen) or not _has_both(reported):
            if judgements:
                rows += rows_of(f"{NAME}/{each.name}", judgements)
            continue
        candidates = [analyzer for analyzer in judged if each.claim in claims[analyzer]]
        rows += _compared(each, chosen, reported, candidates)
    if real:
        rows += [with_aim(each) for each in rows_of(f"{NAME}/{ALL_REAL}", real)]
    return rows


def _compared(
    of: LabelledSet, chosen: Sequence[Case], reported: Sequence[Case], candidates: Sequence[str]
) -> list[Row]:
    name = f"{NAME}/{of.name}"
    rows = rows_of(name, [case.reported for case in reported])
    ours = np.array([published(case.score) for case in reported])
    for figure, reading in (("auc_gain", _by_score), ("auc_gain_over_raw", _by_raw_score)):
        best = max(candidates, key=lambda analyzer: _area(chosen, _scores(chosen, analyzer, reading)))
        theirs = _scores(reported, best, reading)
        interval = _of_difference(reported, ours, theirs, seed=f"{name}/{figure}")
        gain = _area(reported, ours) - _area(reported, theirs)
        rows.append(row(f"{name}/{figure}", gain, f"over {best}", n=len(reported), interval=interval))
        if figure == "auc_gain":
            rows = [with_baseline(each, _area(reported, theirs), f"{name}/auc") for each in rows]
    return rows


def with_baseline(each: Row, baseline: float, name: str) -> Row:
    """The row of this name with its baseline, any other as it is."""
    if each["name"] != name or not baseline:
        return each
    return {**each, "baseline": round(baseline, 4), "ratio": round(each["value"] / baseline, 4)}


def _of_difference(some: Sequence[Case], ours: Floats, theirs: Floats, *, seed: str) -> Interval | None:
    """Both are measured on the same pictures, drawn again together."""
    truths = _truths(some)
    sources = [case.reported.picture.source for case in some]
    values = []
    for indices in draws(truths, sources, seed=seed):
        drawn_truths = truths[indices]
        first, second = (
            area(scores[indices][~drawn_truths], scores[indices][drawn_truths]) for scores in (ours, theirs)
        )
        values.append(first - second)
    return drawn(values)


def _scores(some: Sequence[Case], analyzer: str, reading: Reading) -> Floats:
    return np.array([reading(case.judgements[analyzer]) for case in some])


def _area(some: Sequence[Case], scores: Floats) -> float:
    truths = _truths(some)
    return area(scores[~truths], scores[truths])


def _truths(some: Sequence[Case]) -> Truths:
    return np.array([case.reported.picture.truth for case in some], dtype=np.bool_)


def _has_both(some: Sequence[Case]) -> bool:
    truths = _truths(some)
    return bool(truths.any() and not truths.all())


def conclusion(rows: Sequence[Row]) -> list[str]:
    """In words: where the report is worse than the best single analyzer beyond the interval, and the worst set."""
    gains = [each for each in rows if each["name"].startswith(f"{NAME}/") and each["name"].endswith("/auc_gain")]
    if not gains:
        return []
    said = []
    for each in gains:
        if each["interval"] is not None and each["interval"][1] < 0:
            said.append(f"WORSE: {_told(each)}")
    worst = min(gains, key=lambda each: float(each["value"]))
    return [*said, f"fusion, the worst set: {_told(worst)}"]


def _told(each: Row) -> str:
    low, high = each["interval"]
    name = each["name"].split("/")[1]
    return f"{name}: AUC {each['value']:+.3f} ({low:+.3f} to {high:+.3f}) {each['unit']}, on {each['n']} pictures"
