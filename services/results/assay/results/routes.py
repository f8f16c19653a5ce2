"""HTTP entry points about files, runs, analyzers and what went wrong."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from assay.contracts.analyzers import ANALYZER_NAME
from assay.results.conditional import answer, plain
from assay.results.counting import Counting
from assay.results.exporting import MEDIA_TYPES, Exports, Format
from assay.results.listing import Filters, Sort
from assay.results.paging import CURSOR_CHARS
from assay.results.parameters import NO_NUL, Day, read_fields, read_filters
from assay.results.reading import Library
from assay.results.redrive import Redrive
from assay.results.schemas import (
    AnalysisView,
    AnalyzerList,
    AnalyzerView,
    DeadLetterDetail,
    DeadLetterList,
    FilePage,
    FileView,
    ReplayView,
    RunChanges,
    RunList,
    RunView,
    Snapshot,
    SparseFile,
    SparseFilePage,
    Stats,
)
from assay.results.sparse import Fields
from assay.shared import problems
from assay.shared.auth import Authenticator, Principal
from assay.shared.objects import ObjectStore
from assay.shared.problems import ForbiddenError, InvalidRequestError

# Shown by a browser in place. SVG is not: it may carry scripts, and the gateway serves objects on the page's origin.
INLINE = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
LARGEST_NUMBER = 2**31 - 1
EXPORTED = ("application/x-ndjson", "text/csv")
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "It is what `If-None-Match` names"}}

Partition = Annotated[int, Path(ge=0, le=LARGEST_NUMBER)]
Offset = Annotated[int, Path(ge=0, le=2**62)]
AnalyzerName = Annotated[str, Path(pattern=ANALYZER_NAME, max_length=64)]
RunNumber = Annotated[int, Path(ge=1, le=LARGEST_NUMBER)]


def build_router(
    authenticator: Authenticator,
    *,
    library: Library,
    counting: Counting,
    exports: Exports,
    objects: ObjectStore,
    redrive: Redrive,
) -> APIRouter:
    """The public `GET`s."""
    router = APIRouter(prefix="/api/v1")
    Caller = Annotated[Principal, Depends(authenticator.user)]  # noqa: N806  # a type
    Operator = Annotated[Principal, Depends(authenticator.operator)]  # noqa: N806  # a type

    @router.get("/files", tags=["files"], response_model=FilePage | SparseFilePage)
    async def list_files(
        caller: Caller,
        filters: Annotated[Filters, Depends(read_filters)],
        fields: Annotated[Fields, Depends(read_fields)],
        sort: Annotated[
            Sort,
            Query(description="`score`: the highest first, and last what has none; `name`: small and capital alike"),
        ] = "newest",
        limit: Annotated[int, Query(ge=1, le=100, description="1 to 100; default 20")] = 20,
        cursor: Annotated[
            str | None,
            Query(max_length=CURSOR_CHARS, description="`next_cursor` of the page before, with the same filters"),
        ] = None,
    ) -> Response:
        """The files that you uploaded, the newest first, or those that were found inside one of them."""
        return plain(await library.files(caller.owner_id, filters, sort, fields, limit=limit, cursor=cursor))

    @router.get(
        "/export",
        tags=["files"],
        response_class=StreamingResponse,
        responses={200: {"description": "A line for each file", "content": {name: {} for name in EXPORTED}}},
    )
    async def export_files(
        caller: Caller,
        filters: Annotated[Filters, Depends(read_filters)],
        fields: Annotated[Fields, Depends(read_fields)],
        sort: Sort = "newest",
        form: Annotated[
            Format, Query(alias="format", description="`ndjson`: a file's object in each line; `csv`: a table")
        ] = "ndjson",
    ) -> StreamingResponse:
        """All files of a list, as one stream. `fields` is for NDJSON; the table's columns are always the same.

        In the table, a text that a spreadsheet would take for a formula has an apostrophe in front.
        """
        stream = await exports.begin(caller.owner_id, filters, sort, fields, form)
        headers = {
            "Content-Disposition": f'attachment; filename="assay-files.{form}"',
            "Cache-Control": "private, no-store",
        }
        return StreamingResponse(stream, media_type=MEDIA_TYPES[form], headers=headers)

    @router.get("/files/{file_id}", tags=["files"], response_model=FileView | SparseFile, responses=NOT_MODIFIED)
    async def show_file(
        request: Request, caller: Caller, file_id: UUID, fields: Annotated[Fields, Depends(read_fields)]
    ) -> Response:
        """A file with its newest run: every analysis with stage, times and verdict, and the report."""
        return answer(request, await library.file(caller.owner_id, file_id, fields))

    @router.get("/files/{file_id}/runs", tags=["files"], response_model=RunList, responses=problems.answers(404))
    async def list_runs(caller: Caller, file_id: UUID) -> Response:
        """All runs of a file in short, the newest first."""
        return plain(await library.runs(caller.owner_id, file_id))

    @router.get("/files/{file_id}/runs/compare", tags=["files"], responses=problems.answers(404))
    async def compare_runs(
        caller: Caller,
        file_id: UUID,
        before: Annotated[
            int | None, Query(ge=1, le=LARGEST_NUMBER, description="A run's number; default: the one before `after`")
        ] = None,
        after: Annotated[
            int | None, Query(ge=1, le=LARGEST_NUMBER, description="A run's number; default: the newest")
        ] = None,
    ) -> RunChanges:
        """What a run says otherwise than an earlier one: the report, and analyzer by analyzer."""
        return await library.changes(caller.owner_id, file_id, before, after)

    @router.get("/files/{file_id}/runs/{run_number}", tags=["files"], response_model=RunView, responses=NOT_MODIFIED)
    async def show_run(request: Request, caller: Caller, file_id: UUID, run_number: RunNumber) -> Response:
        """One run of a file."""
        return answer(request, await library.run(caller.owner_id, file_id, run_number))

    @router.get(
        "/files/{file_id}/runs/{run_number}/analyses/{analyzer}",
        tags=["files"],
        response_model=AnalysisView,
        responses=NOT_MODIFIED,
    )
    async def show_analysis(
        request: Request, caller: Caller, file_id: UUID, run_number: RunNumber, analyzer: AnalyzerName
    ) -> Response:
        """One analyzer's work in one run."""
        return answer(request, await library.analysis(caller.owner_id, file_id, run_number, analyzer))

    @router.get(
        "/files/{file_id}/artifacts/{analyzer}/{name}",
        tags=["files"],
        status_code=307,
        response_class=RedirectResponse,
        response_description="A link to the bytes that works for 15 minutes",
    )
    async def show_artifact(
        caller: Caller,
        file_id: UUID,
        analyzer: AnalyzerName,
        name: Annotated[str, Path(pattern=NO_NUL, max_length=100)],
        run: Annotated[int | None, Query(ge=1, le=LARGEST_NUMBER, description="Default: the newest run")] = None,
    ) -> RedirectResponse:
        """A file that an analyzer made: heat map, spectrogram, fields."""
        artifact = await library.artifact(caller.owner_id, file_id, analyzer, name, run)
        link = objects.link(
            artifact.key,
            filename=artifact.name,
            media_type=artifact.media_type,
            inline=artifact.media_type in INLINE,
        )
        # The link ages, so the redirect must not be kept longer than it.
        return RedirectResponse(link, 307, headers={"Cache-Control": "private, max-age=300"})

    @router.get("/analyzers", tags=["analyzers"])
    async def list_analyzers(caller: Caller) -> AnalyzerList:
        """The analyzers at work: what each takes, says and was evaluated on, and whether work waits for it."""
        return await library.analyzers()

    @router.get("/analyzers/{name}", tags=["analyzers"], response_model=AnalyzerView, responses=NOT_MODIFIED)
    async def show_analyzer(request: Request, caller: Caller, name: AnalyzerName) -> Response:
        """One analyzer at work, and how it stands."""
        return answer(request, await library.analyzer(name))

    @router.get("/stats", tags=["statistics"])
    async def show_stats(
        caller: Caller,
        scope: Annotated[Literal["own", "all"], Query(description="`all`: over all owners, for operators")] = "own",
        since: Annotated[Day | None, Query(description="From this day on, in UTC")] = None,
        until: Annotated[Day | None, Query(description="Up to this day, which counts as well")] = None,
    ) -> Stats:
        """Counts, rates and durations over your files, by analyzer and day."""
        if scope == "all" and not caller.is_operator:
            raise ForbiddenError("Statistics over all owners are for operators. Leave `scope` out for your own.")
        if since is not None and until is not None and since > until:
            raise InvalidRequestError("`since` must not be after `until`.", place="since")
        return await counting.stats(None if scope == "all" else caller.owner_id, since, until)

    @router.get("/dead-letters", tags=["operations"])
    async def list_dead_letters(
        caller: Operator,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        group: Annotated[
            str | None, Query(max_length=300, description="Only what this consumer group gave up on")
        ] = None,
        cursor: Annotated[str | None, Query(max_length=100, description="`next_cursor` of the page before")] = None,
    ) -> DeadLetterList:
        """Records that a consumer gave up on, the newest first; for operators."""
        return await redrive.newest(limit, group=group, cursor=cursor)

    @router.get("/dead-letters/{partition}/{offset}", tags=["operations"])
    async def show_dead_letter(caller: Operator, partition: Partition, offset: Offset) -> DeadLetterDetail:
        """One dead letter: headers, body, which file and analysis it concerns; for operators."""
        return await redrive.show(partition, offset)

    @router.post("/dead-letters/{partition}/{offset}/replay", tags=["operations"], status_code=202)
    async def replay_dead_letter(caller: Operator, partition: Partition, offset: Offset) -> ReplayView:
        """Let it be done again, once; for operators.

        What an analyzer gave up on becomes a new run with that analyzer only. Any other record goes back into its
        topic, for the group that gave up and no other. A repetition answers what was done the first time.
        """
        return await redrive.replay(caller, partition, offset)

    return router


def build_internal_router(authenticator: Authenticator, *, library: Library) -> APIRouter:
    """What notify asks. The gateway does not route it."""
    router = APIRouter(prefix="/internal/v1", include_in_schema=False)
    Caller = Annotated[Principal, Depends(authenticator.user)]  # noqa: N806  # a type

    @router.get("/snapshot", response_model=Snapshot)
    async def snapshot(caller: Caller, file_id: UUID | None = None) -> Response:
        """Files and the Kafka positions that they reflect."""
        return plain(await library.snapshot(caller.owner_id, file_id))

    return router
