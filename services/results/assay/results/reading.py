"""Use cases that read. What one owner has is invisible to another: every query names the owner."""

from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from assay.contracts import Artifact, Verdict
from assay.contracts.topics import ANALYSES, FILES, FILES_BULK
from assay.results import shown, statements
from assay.results.arrivals import Arrivals
from assay.results.comparing import compare
from assay.results.domain import TERMINAL
from assay.results.errors import UnknownAnalysisError, UnknownAnalyzerError, UnknownArtifactError, UnknownRunError
from assay.results.listing import Filters, Listing, Sort
from assay.results.schemas import AnalyzerList, AnalyzerView, RunChanges, RunView, TopicPositions
from assay.results.showing import show, shown_of
from assay.results.shown import ShownAnalysis, ShownRun
from assay.results.sparse import EVERYTHING, Fields
from assay.results.standing import UNKNOWN, Standing
from assay.results.views import Json, Views, artifacts_follow
from assay.shared.clock import now
from assay.shared.database import Driver, driver_connections, driver_transactions
from assay.shared.ids import made_at
from assay.shared.problems import UnavailableError, UnknownFileError

YOUNG = timedelta(seconds=30)
SNAPSHOT_NEWEST = 100
SNAPSHOT_UNFINISHED = 500
"""Queued ones, and running ones."""
SNAPSHOT_TOPICS = (FILES, FILES_BULK, ANALYSES)
# There, or never to come again. Asked again and again while an upload's events are on their way.
_IS_DECIDED = """
    SELECT EXISTS (SELECT FROM files WHERE file_id = $1 AND owner_id = $2)
        OR EXISTS (SELECT FROM deleted_files WHERE file_id = $1)
"""
_ANALYZERS = "SELECT name, manifest, registered_at FROM analyzers ORDER BY name"


class Library:
    """What is known of files, for whoever owns them."""

    def __init__(self, *, engine: AsyncEngine, views: Views, arrivals: Arrivals, standing: Standing) -> None:
        self._arrivals = arrivals
        self._standing = standing
        self._connected = driver_connections(engine)
        self._seeing = driver_transactions(engine, isolation="repeatable_read", readonly=True)
        self._views = views

    async def file(self, owner_id: str, file_id: UUID, fields: Fields = EVERYTHING) -> Json:
        """One file. A young id is waited for, up to 5 s. Raises UnknownFileError."""
        try:
            return await self._look_up(owner_id, file_id, fields)
        except UnknownFileError:
            if not await self.wait_for_young(owner_id, file_id):
                raise
        return await self._look_up(owner_id, file_id, fields)

    async def _look_up(self, owner_id: str, file_id: UUID, fields: Fields) -> Json:
        async with self._connected() as driver:
            return await self._file(driver, owner_id, file_id, fields)

    async def _file(self, driver: Driver, owner_id: str, file_id: UUID, fields: Fields = EVERYTHING) -> Json:
        for _, file in await show(driver, self._views, shown.FILE, [file_id, owner_id], fields):
            return file
        raise UnknownFileError

    async def wait_for_young(self, owner_id: str, file_id: UUID) -> bool:
        """A link just answered works: its events may still be on their way. False where the id is too old for that.

        The wait tells nothing of other owners but that an id is used up, to whoever knows it.
        """
        born = made_at(file_id)
        if born is None or abs(now() - born) >= YOUNG:
            return False
        async with aclosing(self._arrivals.looks(file_id)) as looks:
            async for _ in looks:
                async with self._connected() as driver:
                    if await driver.fetchval(_IS_DECIDED, file_id, owner_id):
                        return True
        return True

    async def files(
        self, owner_id: str, filters: Filters, sort: Sort, fields: Fields, *, limit: int, cursor: str | None
    ) -> Json:
        """A page of uploaded files, or of those found inside `filters.parent`.

        Raises BadCursorError, ForeignCursorError, and UnknownFileError for a parent that is not the owner's.
        """
        listing = Listing(owner_id, filters, sort)
        statement, values = listing.statement(limit + 1, cursor)
        async with self._connected() as driver:
            if filters.parent is not None and not await driver.fetchval(shown.IS_OWN, filters.parent, owner_id):
                raise UnknownFileError
            found = await show(driver, self._views, statement, values, fields)
        return {
            "items": [file for _, file in found[:limit]],
            "next_cursor": listing.cursor_after(found[limit - 1][0]) if len(found) > limit else None,
        }

    async def run(self, owner_id: str, file_id: UUID, number: int) -> Json:
        """One run of a file; the one after the newest is waited for, up to 5 s.

        Raises UnknownFileError, UnknownRunError.
        """
        async with aclosing(self._arrivals.looks(file_id)) as looks:
            async for _ in looks:
                newest, run, analyses = await self._look(owner_id, file_id, number)
                # Whoever has just asked for the next run has its address.
                if run is not None or newest is None or number != newest + 1:
                    break
        return self._views.run(_known(run, number), analyses)

    async def _look(
        self, owner_id: str, file_id: UUID, number: int | None
    ) -> tuple[int | None, ShownRun | None, Sequence[Sequence[Any]]]:
        """The newest number, the run of this number, or the newest where it is None, and what was said in it.

        Raises UnknownFileError.
        """
        async with self._connected() as driver:
            row = await driver.fetchrow(shown.RUN, file_id, owner_id, number)
        if row is None:
            raise UnknownFileError
        run = None if row["run"] is None else ShownRun._make(row["run"])
        return row["newest"], run, row["analyses"]

    async def analysis(self, owner_id: str, file_id: UUID, number: int, analyzer: str) -> Json:
        """One analysis of a run. Raises UnknownFileError, UnknownRunError, UnknownAnalysisError."""
        for each in (await self.run(owner_id, file_id, number))["analyses"]:
            if each["analyzer"] == analyzer:
                return dict(each)
        raise UnknownAnalysisError(f"{analyzer} is not in the plan of run {number}. GET the run to see who is.")

    async def runs(self, owner_id: str, file_id: UUID) -> Json:
        """All runs of a file, the newest first. Raises UnknownFileError."""
        async with self._connected() as driver:
            runs = await driver.fetchval(shown.RUNS, file_id, owner_id)
        if runs is None:
            raise UnknownFileError
        return {"items": [self._views.brief(ShownRun._make(each)) for each in runs]}

    async def changes(self, owner_id: str, file_id: UUID, before: int | None, after: int | None) -> RunChanges:
        """What run `after` says otherwise than `before`: by default the newest, and the one before that.

        Raises UnknownFileError, UnknownRunError.
        """
        _, later, said_later = await self._look(owner_id, file_id, after)
        later = _known(later, after)
        earlier_number = (later.run_number or 1) - 1 if before is None else before
        _, earlier, said_earlier = await self._look(owner_id, file_id, earlier_number)
        return compare(
            RunView.model_validate(self._views.run(_known(earlier, earlier_number), said_earlier)),
            RunView.model_validate(self._views.run(later, said_later)),
        )

    async def artifact(self, owner_id: str, file_id: UUID, analyzer: str, name: str, number: int | None) -> Artifact:
        """An artifact of the newest run, or of run `number`; one that may be on its way is waited for, up to 5 s.

        Raises Unknown…Error.
        """
        async with aclosing(self._arrivals.looks(file_id)) as looks:
            async for _ in looks:
                _, run, analyses = await self._look(owner_id, file_id, number)
                run = _known(run, number)
                analysis = next(
                    (each for each in map(ShownAnalysis._make, analyses) if each.analyzer == analyzer), None
                )
                if analysis is None:
                    break
                verdict = None if analysis.verdict is None else Verdict.model_validate_json(analysis.verdict)
                for each in () if verdict is None else verdict.artifacts:
                    if each.name == name:
                        return each
                # Who heard of it on a stream may be here before it is written.
                if analysis.status in TERMINAL and not artifacts_follow(run, analysis):
                    break
        raise UnknownArtifactError("This analysis made no such artifact. The verdict in the file's answer lists them.")

    async def analyzers(self) -> AnalyzerList:
        """The analyzers at work, by name, and how each stands."""
        async with self._connected() as driver:
            rows = await driver.fetch(_ANALYZERS)
        health = await self._standing.of([each["name"] for each in rows])
        return AnalyzerList(
            items=[
                AnalyzerView(
                    **each["manifest"], registered_at=each["registered_at"], health=health.get(each["name"], UNKNOWN)
                )
                for each in rows
            ]
        )

    async def analyzer(self, name: str) -> AnalyzerView:
        """One of them. Raises UnknownAnalyzerError."""
        for each in (await self.analyzers()).items:
            if each.name == name:
                return each
        raise UnknownAnalyzerError(f"There is no analyzer {name} at work. GET /api/v1/analyzers lists them.")

    async def snapshot(self, owner_id: str, file_id: UUID | None) -> Json:
        """Rows and the Kafka positions that they reflect, read in one transaction.

        One file, or the owner's newest 100 and those that are unfinished. Raises UnknownFileError, and UnavailableError
        before the first assignment.
        """
        if file_id is not None:
            await self.wait_for_young(owner_id, file_id)
        async with self._seeing() as driver:
            if file_id is not None:
                files = [await self._file(driver, owner_id, file_id)]
            else:
                newest = await driver.fetchval(
                    statements.NEWEST_AND_UNFINISHED, owner_id, SNAPSHOT_NEWEST, SNAPSHOT_UNFINISHED
                )
                files = await shown_of(driver, self._views, sorted(newest, reverse=True))
            return {"topics": await _topics(driver), "files": files}


async def _topics(driver: Driver) -> dict[str, TopicPositions]:
    rows = await driver.fetch(statements.POSITIONS)
    topics = {}
    for topic in SNAPSHOT_TOPICS:
        known = {row["partition"]: row for row in rows if row["topic"] == topic.name}
        if not known:
            raise UnavailableError("This service has not joined its group yet. Try again in a few seconds.")
        topics[topic.name] = TopicPositions(
            id=next(iter(known.values()))["topic_id"],
            positions={
                str(number): known[number]["next_offset"] if number in known else 0
                for number in range(topic.partitions)
            },
        )
    return topics


def _known(run: ShownRun | None, number: int | None) -> ShownRun:
    if run is None:
        raise UnknownRunError(
            f"This file has no run {1 if number is None else number}. GET the file to see its newest run."
        )
    return run
