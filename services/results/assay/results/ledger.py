"""What is known of some files: read at once under their locks, changed in memory, written at once.

Whoever changes anything about a file holds its lock, an advisory one, because it must hold for files that have no row
yet, or no longer. A transaction takes all its locks in one statement, in the order of their numbers, and none later: so
two transactions cannot wait for each other in a circle. Which locks it needs is read before: besides the files that
events speak of, all that these were found in, since the end of a found file may conclude its parent, and all that was
found inside of those that may be deleted. Where that has grown until the locks are held, they are given back and all of
them are taken anew. Whoever has a row of `positions` locked took it before, and has no other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from assay.results import rows, statements
from assay.results.domain import TERMINAL
from assay.results.rows import AnalysisRow, FileRow, Row, RunRow, Table
from assay.results.tallying import ANALYSIS_COLUMNS, FILE_COLUMNS, Tallied
from assay.shared.database import Driver

AnalysisKey = tuple[UUID, str]
"""Run and analyzer."""
_FORGET_ANALYSES = statements.FORGET_ANALYSES.format(", ".join(ANALYSIS_COLUMNS))
_FORGET_FILES = statements.FORGET_FILES.format(", ".join(FILE_COLUMNS))
FEW_RUNS = 8
"""Of so many, whole analyses are read at once: a lone upload's events come one by one, each waiting for each answer."""


class FilesMissingError(Exception):
    """More files are concerned than are locked. To be done again, with all of these, in a new transaction."""

    def __init__(self, file_ids: Iterable[UUID]) -> None:
        super().__init__("more files are concerned than are locked")
        self.file_ids = frozenset(file_ids)


@dataclass(slots=True)
class Wanted:
    """What some events are about."""

    file_ids: set[UUID] = field(default_factory=set)
    may_go: set[UUID] = field(default_factory=set)
    """Files that may be deleted, with all that was found inside."""
    run_ids: set[UUID] = field(default_factory=set)
    analyses: set[AnalysisKey] = field(default_factory=set)


class Ledger:
    """All files that one transaction may change. Nothing is in the database before `write`."""

    def __init__(self, driver: Driver, locked: set[UUID]) -> None:
        self._driver = driver
        self._locked = locked
        self._deleted: set[UUID] = set()
        self._forgotten: set[UUID] = set()
        self._files: dict[UUID, FileRow] = {}
        self._runs: dict[UUID, RunRow] = {}
        self._runs_of: dict[UUID, dict[UUID, RunRow]] = {}
        self._analyses: dict[AnalysisKey, AnalysisRow] = {}
        self._of_run: dict[UUID, dict[str, AnalysisRow | str]] = {}
        self._before: dict[FileRow | RunRow | AnalysisRow, tuple[Any, ...]] = {}
        """Rows that are in the database, with their values there. Nobody else adds any while we hold the locks."""

    # Reading.
    @classmethod
    async def open(cls, driver: Driver, wanted: Wanted, more: Iterable[UUID] = ()) -> "Ledger":
        """Lock the files that are concerned and read what is known of them, in the driver's transaction.

        more: files that are concerned as well, as an earlier FilesMissingError told. Raises FilesMissingError.
        """
        concerned = wanted.file_ids.union(more) | await _inside(driver, wanted.may_go)
        ledger = cls(driver, await _ids(driver, statements.LOCK_WITH_WHOLES, concerned))
        await ledger._read(wanted)
        await ledger._check(wanted)
        return ledger

    async def _read(self, wanted: Wanted) -> None:
        driver, ids = self._driver, list(self._locked)
        records = await driver.fetch(statements.KNOWN_FILES, ids)
        self._deleted.update(file_id for file_id, is_deleted, *_ in records if is_deleted)
        for file in self._known(rows.FILES, _files(records)):
            self._files[file.file_id] = file
        for run in self._known(rows.RUNS, await driver.fetch(statements.KNOWN_RUNS, ids)):
            self._keep_run(run)
        runs = {run.run_id for run in self._runs.values() if run.completed_at is None} | wanted.run_ids
        runs &= self._runs.keys()
        if not runs:
            return
        if len(runs) <= FEW_RUNS:
            for analysis in self._known(rows.ANALYSES, await driver.fetch(statements.KNOWN_ANALYSES, list(runs))):
                self._keep_analysis(analysis)
            return
        # Of those that are not spoken of, only how they stand: the rest of the row is read where a report needs it.
        for run_id, name, status in await driver.fetch(statements.STATUSES, list(runs)):
            self._of_run.setdefault(run_id, {})[name] = status
        spoken_of = [(run_id, name) for run_id, name in wanted.analyses if name in self._of_run.get(run_id, ())]
        await self._read_analyses(spoken_of)

    async def _check(self, wanted: Wanted) -> None:
        parents = {each.parent_file_id for each in self._files.values() if each.parent_file_id is not None}
        concerned = parents | await _inside(self._driver, wanted.may_go)
        if not concerned <= self._locked:
            raise FilesMissingError(concerned | self._locked)

    async def read_whole(self, runs: Iterable[RunRow]) -> None:
        """Read all of the analyses of these runs."""
        await self._read_analyses(
            [
                (run.run_id, name)
                for run in runs
                for name, known in self._of_run.get(run.run_id, {}).items()
                if isinstance(known, str)
            ]
        )

    async def _read_analyses(self, keys: Sequence[AnalysisKey]) -> None:
        if not keys:
            return
        run_ids, names = zip(*keys, strict=True)
        for analysis in self._known(rows.ANALYSES, await self._driver.fetch(statements.SOME_ANALYSES, run_ids, names)):
            self._keep_analysis(analysis)

    def _known(self, table: Table[Row], records: Iterable[Iterable[Any]]) -> list[Row]:
        known = [table.of(record) for record in records]
        self._before.update((each, table.values(each)) for each in known)
        return known

    def _keep_run(self, run: RunRow) -> None:
        self._runs[run.run_id] = run
        self._runs_of.setdefault(run.file_id, {})[run.run_id] = run

    def _keep_analysis(self, analysis: AnalysisRow) -> None:
        self._analyses[analysis.run_id, analysis.analyzer] = analysis
        self._of_run.setdefault(analysis.run_id, {})[analysis.analyzer] = analysis

    # What is known, and what becomes known.
    def is_deleted(self, file_id: UUID) -> bool:
        return file_id in self._deleted

    def known_file(self, file_id: UUID) -> FileRow | None:
        """The file; None where nothing was heard of it."""
        return self._files.get(file_id)

    def file(self, file_id: UUID, owner_id: str) -> FileRow:
        """The file, made where it is missing."""
        file = self._files.get(file_id)
        if file is None:
            file = self._files[file_id] = FileRow(file_id, owner_id)
        return file

    def run(self, run_id: UUID, file_id: UUID, owner_id: str) -> RunRow:
        """The run, made where it is missing."""
        run = self._runs.get(run_id)
        if run is None:
            run = RunRow(run_id, file_id, owner_id)
            self._keep_run(run)
        return run

    def known_run(self, run_id: UUID) -> RunRow | None:
        """The run; None where nothing was heard of it, or its file is gone."""
        return self._runs.get(run_id)

    def analysis(self, run: RunRow, analyzer: str) -> AnalysisRow:
        """One of the analyses that were asked for, made where it is missing."""
        analysis = self._analyses.get((run.run_id, analyzer))
        if analysis is None:
            analysis = AnalysisRow(run.run_id, analyzer, run.file_id, run.owner_id)
            self._keep_analysis(analysis)
        return analysis

    def known_analysis(self, run_id: UUID, analyzer: str) -> AnalysisRow | None:
        """The analysis; None where nothing was heard of it."""
        return self._analyses.get((run_id, analyzer))

    def has_begun(self, run: RunRow) -> bool:
        """True where anything was heard of any of its analyses."""
        for each in self._of_run.get(run.run_id, {}).values():
            if (each if isinstance(each, str) else each.status) != "queued":
                return True
        return False

    def has_heard_all(self, run: RunRow) -> bool:
        """True where the plan is known and each of its analyses has ended."""
        if run.plan is None or run.requested_at is None or run.run_number is None:
            return False
        known = self._of_run.get(run.run_id, {})
        return all(
            (each if isinstance(each, str) else each.status) in TERMINAL
            for name in run.plan
            if (each := known.get(name)) is not None
        )

    def analyses(self, run: RunRow) -> Sequence[AnalysisRow]:
        """All of a run that was `read_whole`, by analyzer."""
        known = self._of_run.get(run.run_id, {})
        return [each for _, each in sorted(known.items()) if not isinstance(each, str)]

    def newest_run(self, file_id: UUID) -> RunRow | None:
        """The run with the highest number; one whose request we have not read comes after all others."""
        runs = self._runs_of.get(file_id)
        if not runs:
            return None
        return max(runs.values(), key=lambda each: (each.run_number is not None, each.run_number or 0, each.run_id))

    def open_runs(self, file_id: UUID) -> Sequence[RunRow]:
        """The runs of a file that have no report yet, by id."""
        runs = self._runs_of.get(file_id, {})
        return [runs[each] for each in sorted(runs) if runs[each].completed_at is None]

    def found_in(self, file_id: UUID) -> Sequence[UUID]:
        """Files found inside this one, as far as they were announced; of files that may be deleted."""
        return [each.file_id for each in self._files.values() if each.parent_file_id == file_id]

    def forget(self, file_id: UUID) -> None:
        """Leave of a file nothing but the mark that it was deleted."""
        self._deleted.add(file_id)
        self._forgotten.add(file_id)
        self._files.pop(file_id, None)
        for run_id in self._runs_of.pop(file_id, {}):
            del self._runs[run_id]
            for name in self._of_run.pop(run_id, {}):
                self._analyses.pop((run_id, name), None)

    async def ends_of(self, file_ids: Iterable[UUID]) -> "Ends":
        """How far the examination of these derived files has come, whether they are locked or not.

        One that is not locked may end at the same time: whoever ends it waits for its parent's lock, and looks again.
        """
        ends = Ends()
        elsewhere = set()
        for file_id in file_ids:
            if file_id not in self._locked:
                elsewhere.add(file_id)
            elif file_id in self._deleted:
                ends.over.add(file_id)
            elif (file := self._files.get(file_id)) is not None and file.derived_run_id is not None:
                ends.note(file, self._runs.get(file.derived_run_id))
        if elsewhere:
            records = await self._driver.fetch(statements.KNOWN_FILES, list(elsewhere))
            ends.over.update(file_id for file_id, is_deleted, *_ in records if is_deleted)
            files = [rows.FILES.of(each) for each in _files(records)]
            begun = [file.derived_run_id for file in files if file.derived_run_id is not None]
            ended = [rows.RUNS.of(each) for each in await self._driver.fetch(statements.RUNS_BEGUN, begun)]
            runs = {run.run_id: run for run in ended}
            for file in files:
                if file.derived_run_id is not None:
                    ends.note(file, runs.get(file.derived_run_id))
        return ends

    # Writing.
    async def write(self) -> None:
        """Write what has changed, and what that changes in the statistics."""
        tallied = Tallied()
        if self._forgotten:
            gone = sorted(self._forgotten)
            tallied.remove_analyses(await self._driver.fetch(_FORGET_ANALYSES, gone))
            tallied.remove_files(await self._driver.fetch(_FORGET_FILES, gone))
            for statement in statements.FORGET_THE_REST:
                await self._driver.execute(statement, gone)
        await self._write(rows.FILES, self._files.values(), tallied)
        await self._write(rows.RUNS, self._runs.values(), tallied)
        await self._write(rows.ANALYSES, self._analyses.values(), tallied)
        if changes := tallied.changes():
            await self._driver.execute(statements.TALLY, *zip(*changes, strict=True))

    async def _write(self, table: Table[Row], known: Iterable[Row], tallied: Tallied) -> None:
        new, changed = [], []
        for row in known:
            values = table.values(row)
            before = self._before.get(row)
            if before is None:
                new.append(values)
            elif values != before:
                changed.append(values)
            else:
                continue
            tallied.write(table, before, values)
        await table.write(self._driver, new, changed)


class Ends:
    """Which derived files are over, examined or deleted, and the run that the finding of each asked for."""

    def __init__(self) -> None:
        self.over: set[UUID] = set()
        self.runs: dict[UUID, tuple[FileRow, RunRow]] = {}
        """Those with a report."""

    def note(self, file: FileRow, run: RunRow | None) -> None:
        """Take up how a file stands."""
        if run is None or run.completed_at is None:
            return
        self.over.add(file.file_id)
        if run.report is not None:
            self.runs[file.file_id] = (file, run)


async def _ids(driver: Driver, statement: str, file_ids: Iterable[UUID]) -> set[UUID]:
    return {row[0] for row in await driver.fetch(statement, list(file_ids))}


def _files(records: Iterable[Sequence[Any]]) -> list[Sequence[Any]]:
    """The columns of the files that there are, of what `statements.KNOWN_FILES` tells."""
    return [known for _, _, *known in records if known[0] is not None]


async def _inside(driver: Driver, file_ids: set[UUID]) -> set[UUID]:
    """The files that were found inside these, directly or not."""
    return await _ids(driver, statements.INSIDE, file_ids) if file_ids else set()
