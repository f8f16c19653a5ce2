"""After news of runs: conclude those that have heard everything, and let files show where they stand."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from assay.contracts import Report, RunCompleted, Verdict
from assay.results import fusion, metrics
from assay.results.domain import final_status, latest, storable_json
from assay.results.inside import DerivedReport, Inside, Unfinished
from assay.results.ledger import Ends, Ledger
from assay.results.recording import InTrace
from assay.results.rows import AnalysisRow, FileRow, RunRow
from assay.shared.outbox import Outgoing


class Settling:
    """Settles runs, and then those of the files that theirs were found in, and so on upwards."""

    def __init__(self, ledger: Ledger, outgoing: Outgoing) -> None:
        self._ledger = ledger
        self._outgoing = outgoing
        self.concluded: list[tuple[RunRow, InTrace]] = []
        """Runs whose report was made, each with its trace."""

    async def settle(self, concerned: Mapping[UUID, InTrace]) -> None:
        """concerned: runs of locked files, each with the trace that its report belongs to."""
        while concerned:
            runs = [run for each in concerned if (run := self._ledger.known_run(each)) is not None]
            heard = [run for run in runs if run.completed_at is None and self._ledger.has_heard_all(run)]
            await self._ledger.read_whole(heard)
            planned = {run.run_id: _planned(run, self._ledger.analyses(run)) for run in heard}
            names = {run_id: _finders(analyses) for run_id, analyses in planned.items()}
            ends = await self._ledger.ends_of({child for each in names.values() for child in each})
            for run in runs:
                if run.completed_at is not None:
                    continue
                derived = names.get(run.run_id)
                # Past its deadline a run waits for nothing: what is not finished is said to be missing.
                if derived is not None and (ends.over.issuperset(derived) or run.swept_at is not None):
                    with concerned[run.run_id]():
                        self._conclude(run, planned[run.run_id], derived, ends)
                    self.concluded.append((run, concerned[run.run_id]))
                else:
                    run.status = "running" if self._ledger.has_begun(run) else "queued"
            for run in runs:
                self._show_newest_run(run)
            concerned = self._above(runs, concerned)

    def _above(self, runs: Sequence[RunRow], concerned: Mapping[UUID, InTrace]) -> Mapping[UUID, InTrace]:
        """The runs that may have waited for these. Locks are held already, see `ledger`.

        Any open run of the parent may name the file, not only the one that found it: a verdict may be reused.
        """
        above: dict[UUID, InTrace] = {}
        for run in runs:
            parent_id = self._ledger.file(run.file_id, run.owner_id).parent_file_id
            if run.completed_at is not None and parent_id is not None:
                for each in self._ledger.open_runs(parent_id):
                    above[each.run_id] = concerned[run.run_id]
        return above

    def _conclude(self, run: RunRow, planned: Sequence[AnalysisRow], derived: Mapping[UUID, str], ends: Ends) -> None:
        assert run.plan is not None and run.requested_at is not None and run.run_number is not None
        unfinished = {each: name for each, name in derived.items() if each not in ends.over}
        children = [ends.runs[each] for each in sorted(derived) if each in ends.runs]
        inside = _inside(children, unfinished)
        report = fusion.fuse([_outcome(each) for each in planned], inside=inside)
        all_inside = not inside.unfinished and not inside.incomplete
        status = final_status((each.status for each in planned), all_inside=all_inside)
        run.status = status
        run.label, run.score = report.label, report.score
        run.report = storable_json(report.model_dump_json())
        times = [*(each.completed_at for each in planned), *(child.completed_at for _, child in children)]
        if unfinished:
            times.append(run.deadline)
        run.completed_at = latest(times, default=run.requested_at)
        file = self._ledger.file(run.file_id, run.owner_id)
        self._outgoing.add(
            RunCompleted(
                file_id=run.file_id,
                owner_id=run.owner_id,
                occurred_at=run.completed_at,
                run_id=run.run_id,
                run_number=run.run_number,
                status=status,
                parent_file_id=file.parent_file_id,
                sha256=file.sha256,
                media_type=file.media_type,
                plan=tuple(run.plan),
                report=report,
            )
        )
        metrics.RUNS_CONCLUDED.labels(status=status, label=report.label).inc()
        metrics.RUN_SECONDS.observe(max(0.0, (run.completed_at - run.requested_at).total_seconds()))

    def _show_newest_run(self, run: RunRow) -> None:
        file = self._ledger.file(run.file_id, run.owner_id)
        newest = self._ledger.newest_run(run.file_id)
        if newest is not None:
            file.run_id, file.status = newest.run_id, newest.status
            file.label, file.score = newest.label, newest.score


def _planned(run: RunRow, analyses: Sequence[AnalysisRow]) -> Sequence[AnalysisRow]:
    return [each for each in analyses if each.analyzer in (run.plan or ())]


def _finders(analyses: Sequence[AnalysisRow]) -> dict[UUID, str]:
    """Each file found inside, with the analyzer that names it; of several, the last."""
    return {each: analysis.analyzer for analysis in analyses for each in analysis.derived or ()}


def _inside(children: Sequence[tuple[FileRow, RunRow]], unfinished: Mapping[UUID, str]) -> Inside:
    """children: the derived files that were examined. unfinished: the others, with the analyzer that names each."""
    return Inside(
        reports=[
            DerivedReport(
                file_id=file.file_id,
                media_type=file.media_type or "unknown type",
                derived_by=file.derived_by or "an analyzer",
                report=Report.model_validate_json(run.report),
                status=run.status,
                examined=bool(run.plan),
            )
            for file, run in children
            if run.report is not None
        ],
        unfinished=[Unfinished(file_id, analyzer) for file_id, analyzer in unfinished.items()],
    )


def _outcome(analysis: AnalysisRow) -> fusion.Outcome:
    verdict = analysis.heard
    if verdict is None and analysis.verdict is not None:
        verdict = Verdict.model_validate_json(analysis.verdict)
    return fusion.Outcome(analysis.analyzer, verdict, analysis.error_code)
