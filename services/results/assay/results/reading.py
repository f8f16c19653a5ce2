"""Use cases that read. What one owner has is invisible to another: every query names the owner."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from assay.contracts import Artifact, Verdict
from assay.contracts.topics import ANALYSES, FILES, FILES_BULK
from assay.results import statements
from assay.results.arrivals import Arrivals
from assay.results.comparing import compare
from assay.results.domain import FINAL, TERMINAL
from assay.results.errors import UnknownAnalysisError, UnknownAnalyzerError, UnknownArtifactError, UnknownRunError
from assay.results.listing import Filters, Listing, Sort
from assay.results.schemas import (
    AnalysisView,
    AnalyzerList,
    AnalyzerView,
    FilePage,
    FileView,
    RunChanges,
    RunList,
    RunView,
    Snapshot,
    TopicPositions,
)
from assay.results.showing import show
from assay.results.sparse import EVERYTHING, Fields
from assay.results.standing import UNKNOWN, Standing
from assay.results.statements import rows_of
from assay.results.tables import Analysis, File, RegisteredAnalyzer, Run
from assay.results.views import Views, artifacts_follow
from assay.shared.clock import now
from assay.shared.database import Driver, driver_of, driver_transactions
from assay.shared.ids import made_at
from assay.shared.problems import UnavailableError, UnknownFileError

YOUNG = timedelta(seconds=30)
SNAPSHOT_NEWEST = 100
RUNS_SHOWN = 100
SNAPSHOT_UNFINISHED = 1000
SNAPSHOT_TOPICS = (FILES, FILES_BULK, ANALYSES)
# There, or never to come again. Asked again and again while an upload's events are on their way.
_IS_DECIDED = """
    SELECT EXISTS (SELECT FROM files WHERE file_id = $1 AND owner_id = $2)
        OR EXISTS (SELECT FROM deleted_files WHERE file_id = $1)
"""


class Library:
    """What is known of files, for whoever owns them."""

    def __init__(self, *, engine: AsyncEngine, views: Views, arrivals: Arrivals, standing: Standing) -> None:
        self._arrivals = arrivals
        self._standing = standing
        self._driver = driver_transactions(engine)
        self._seeing = driver_transactions(engine, isolation="repeatable_read", readonly=True)
        self._engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._views = views

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncSession]:
        """One consistent view over all queries of a use case."""
        async with AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    async def file(self, owner_id: str, file_id: UUID, fields: Fields = EVERYTHING) -> FileView:
        """One file. A young id is waited for, up to 5 s. Raises UnknownFileError."""
        await self.wait_for_young(owner_id, file_id)
        async with self._seeing() as driver:
            return (await show(driver, self._views, [await self._look_up(driver, owner_id, file_id)], fields))[0]

    async def _look_up(self, driver: Driver, owner_id: str, file_id: UUID) -> File:
        for file in rows_of(File).objects(await driver.fetch(statements.FILES, [file_id])):
            if file.owner_id == owner_id:
                return file
        raise UnknownFileError

    async def _find(self, session: AsyncSession, owner_id: str, file_id: UUID) -> File:
        file = await session.get(File, file_id)
        if file is None or file.owner_id != owner_id:
            raise UnknownFileError
        return file

    async def wait_for_young(self, owner_id: str, file_id: UUID) -> None:
        """A link just answered works: its events may still be on their way.

        The wait tells nothing of other owners but that an id is used up, to whoever knows it.
        """
        born = made_at(file_id)
        if born is None or abs(now() - born) >= YOUNG:
            return
        async with aclosing(self._arrivals.looks(file_id)) as looks:
            async for _ in looks:
                async with self._driver() as driver:
                    if await driver.fetchval(_IS_DECIDED, file_id, owner_id):
                        return

    async def files(
        self, owner_id: str, filters: Filters, sort: Sort, fields: Fields, *, limit: int, cursor: str | None
    ) -> FilePage:
        """A page of uploaded files, or of those found inside `filters.parent`.

        Raises BadCursorError, ForeignCursorError, and UnknownFileError for a parent that is not the owner's.
        """
        listing = Listing(owner_id, filters, sort)
        statement, values = listing.statement(limit + 1, cursor)
        async with self._seeing() as driver:
            if filters.parent is not None:
                await self._look_up(driver, owner_id, filters.parent)
            found = await driver.fetch(statement, *values)
            items = await show(driver, self._views, rows_of(File).objects(found[:limit]), fields)
        return FilePage(items=items, next_cursor=listing.cursor_after(found[limit - 1]) if len(found) > limit else None)

    async def run(self, owner_id: str, file_id: UUID, number: int) -> RunView:
        """One run of a file; the one after the newest is waited for, up to 5 s.

        Raises UnknownFileError, UnknownRunError.
        """
        async with aclosing(self._arrivals.looks(file_id)) as looks:
            async for _ in looks:
                if not await self._may_be_coming(owner_id, file_id, number):
                    break
        async with self._reading() as session:
            await self._find(session, owner_id, file_id)
            run = await self._run_of(session, file_id, number)
            analyses = await session.scalars(select(Analysis).where(Analysis.run_id == run.run_id))
            return self._views.run(run, analyses.all())

    async def analysis(self, owner_id: str, file_id: UUID, number: int, analyzer: str) -> AnalysisView:
        """One analysis of a run. Raises UnknownFileError, UnknownRunError, UnknownAnalysisError."""
        run = await self.run(owner_id, file_id, number)
        for each in run.analyses:
            if each.analyzer == analyzer:
                return each
        raise UnknownAnalysisError(f"{analyzer} is not in the plan of run {number}. GET the run to see who is.")

    async def runs(self, owner_id: str, file_id: UUID) -> RunList:
        """All runs of a file, the newest first. Raises UnknownFileError."""
        async with self._reading() as session:
            await self._find(session, owner_id, file_id)
            rows = await session.scalars(_newest_first(file_id).limit(RUNS_SHOWN))
            return RunList(items=[self._views.brief(each) for each in rows])

    async def changes(self, owner_id: str, file_id: UUID, before: int | None, after: int | None) -> RunChanges:
        """What run `after` says otherwise than `before`: by default the newest, and the one before that.

        Raises UnknownFileError, UnknownRunError.
        """
        async with self._reading() as session:
            await self._find(session, owner_id, file_id)
            later = await self._run_of(session, file_id, after)
            earlier = await self._run_of(session, file_id, (later.run_number or 1) - 1 if before is None else before)
            views = []
            for run in (earlier, later):
                analyses = await session.scalars(select(Analysis).where(Analysis.run_id == run.run_id))
                views.append(self._views.run(run, analyses.all()))
        return compare(*views)

    async def _may_be_coming(self, owner_id: str, file_id: UUID, number: int) -> bool:
        """True for the number after the newest: whoever has just asked for this run has its address."""
        async with self._reading() as session:
            newest = await session.scalar(
                select(func.max(Run.run_number)).where(Run.file_id == file_id, Run.owner_id == owner_id)
            )
        return newest is not None and number == newest + 1

    async def _run_of(self, session: AsyncSession, file_id: UUID, number: int | None) -> Run:
        query = _newest_first(file_id)
        if number is not None:
            query = query.where(Run.run_number == number)
        run = (await session.scalars(query.limit(1))).first()
        if run is None:
            wanted = 1 if number is None else number
            raise UnknownRunError(f"This file has no run {wanted}. GET the file to see its newest run.")
        return run

    async def artifact(self, owner_id: str, file_id: UUID, analyzer: str, name: str, number: int | None) -> Artifact:
        """An artifact of the newest run, or of run `number`; one that may be on its way is waited for, up to 5 s.

        Raises Unknown…Error.
        """
        async with aclosing(self._arrivals.looks(file_id)) as looks:
            async for _ in looks:
                async with self._reading() as session:
                    await self._find(session, owner_id, file_id)
                    run = await self._run_of(session, file_id, number)
                    analysis = await session.get(Analysis, (run.run_id, analyzer))
                if analysis is None:
                    break
                for each in () if analysis.verdict is None else Verdict.model_validate(analysis.verdict).artifacts:
                    if each.name == name:
                        return each
                # Who heard of it on a stream may be here before it is written.
                if analysis.status in TERMINAL and not artifacts_follow(run, analysis):
                    break
        raise UnknownArtifactError("This analysis made no such artifact. The verdict in the file's answer lists them.")

    async def analyzers(self) -> AnalyzerList:
        """The analyzers at work, by name, and how each stands."""
        async with self._reading() as session:
            rows = (await session.scalars(select(RegisteredAnalyzer).order_by(RegisteredAnalyzer.name))).all()
        health = await self._standing.of([each.name for each in rows])
        return AnalyzerList(
            items=[
                AnalyzerView(**each.manifest, registered_at=each.registered_at, health=health.get(each.name, UNKNOWN))
                for each in rows
            ]
        )

    async def analyzer(self, name: str) -> AnalyzerView:
        """One of them. Raises UnknownAnalyzerError."""
        for each in (await self.analyzers()).items:
            if each.name == name:
                return each
        raise UnknownAnalyzerError(f"There is no analyzer {name} at work. GET /api/v1/analyzers lists them.")

    async def snapshot(self, owner_id: str, file_id: UUID | None) -> Snapshot:
        """Rows and the Kafka positions that they reflect, read in one transaction.

        One file, or the owner's newest 100 and those that are unfinished. Raises UnknownFileError, and UnavailableError
        before the first assignment.
        """
        if file_id is not None:
            await self.wait_for_young(owner_id, file_id)
            async with self._seeing() as driver:
                return await self._snapshot(driver, [await self._look_up(driver, owner_id, file_id)])
        async with self._reading() as session:
            files = await self._newest_and_unfinished(session, owner_id)
            return await self._snapshot(await driver_of(session), files)

    async def _snapshot(self, driver: Driver, files: Sequence[File]) -> Snapshot:
        return Snapshot(topics=await _topics(driver), files=await show(driver, self._views, files))

    async def _newest_and_unfinished(self, session: AsyncSession, owner_id: str) -> Sequence[File]:
        own = select(File).where(File.owner_id == owner_id, File.parent_file_id.is_(None)).order_by(File.file_id.desc())
        newest = (await session.scalars(own.limit(SNAPSHOT_NEWEST))).all()
        unfinished = await session.scalars(own.where(File.status.not_in(FINAL)).limit(SNAPSHOT_UNFINISHED))
        together = {each.file_id: each for each in [*newest, *unfinished]}
        return [together[file_id] for file_id in sorted(together, reverse=True)]


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


def _newest_first(file_id: UUID) -> Select[Run]:
    return select(Run).where(Run.file_id == file_id).order_by(Run.run_number.desc().nulls_last(), Run.run_id.desc())
