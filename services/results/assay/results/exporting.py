"""All files of a list as one stream, NDJSON or CSV: however many they are, a few hundred are in memory.

They are read with a cursor in one transaction, so the export is what was there when it began. It has connections of
its own, a few: others do not wait for one. A client that reads so slowly that its transaction idles for a minute is cut
off, since an old transaction keeps PostgreSQL from tidying up; the stream breaks then, and does not just end.
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Literal

from pydantic import BaseModel
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from assay.results.listing import Filters, Listing, Sort
from assay.results.schemas import FileView
from assay.results.showing import show
from assay.results.sparse import FILE_FIELDS, Fields
from assay.results.statements import rows_of
from assay.results.tables import File
from assay.results.views import Views
from assay.shared.database import DriverTransaction
from assay.shared.problems import UnavailableError

Format = Literal["ndjson", "csv"]
MEDIA_TYPES: dict[Format, str] = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
CHUNK = 200
IDLE = "SET LOCAL idle_in_transaction_session_timeout = '60s'"
CSV_COLUMNS = (
    "file_id", "parent_file_id", "filename", "media_type", "size", "sha256", "created_at", "status", "run_number",
    "completed_at", "label", "score", "confidence", "claim", "summary", "verdicts", "feedback",
)  # fmt: skip
CSV_FIELDS = Fields(FILE_FIELDS - {"derived", "metadata"})
# A spreadsheet takes a cell that begins with one of these for a formula, and runs it.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class Exports:
    """Streams of files."""

    def __init__(self, *, seeing: DriverTransaction, views: Views) -> None:
        """seeing: opens REPEATABLE READ transactions on connections that are for exports only."""
        self._seeing = seeing
        self._views = views

    async def begin(
        self, owner_id: str, filters: Filters, sort: Sort, fields: Fields, form: Format
    ) -> AsyncIterator[bytes]:
        """The stream, its first part already read. Raises UnavailableError where too many are under way."""
        parts = self._parts(owner_id, filters, sort, CSV_FIELDS if form == "csv" else fields, form)
        # So that what goes wrong at once is told as a problem.
        first = await anext(parts)
        return _again(first, parts)

    async def _parts(
        self, owner_id: str, filters: Filters, sort: Sort, fields: Fields, form: Format
    ) -> AsyncIterator[bytes]:
        statement, values = Listing(owner_id, filters, sort).statement(None, None)
        async with AsyncExitStack() as closing:
            try:
                driver = await closing.enter_async_context(self._seeing())
            except PoolTimeoutError as error:
                raise UnavailableError("Other exports are under way. Try again in a minute.") from error
            await driver.execute(IDLE)
            cursor = await driver.cursor(statement, *values)
            yield csv_lines([CSV_COLUMNS]) if form == "csv" else b""
            while rows := await cursor.fetch(CHUNK):
                files = await show(driver, self._views, rows_of(File).objects(rows), fields)
                if form == "csv":
                    yield csv_lines(map(cells, files))
                else:
                    yield b"".join(_line(each, fields) for each in files)


async def _again(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part


def _line(body: BaseModel, fields: Fields) -> bytes:
    return body.model_dump_json(include=fields.include).encode() + b"\n"


def cells(file: FileView) -> Sequence[object]:
    """A file as a row of the table."""
    run = file.run
    report = None if run is None else run.report
    verdicts = [
        f"{each.analyzer}: {each.verdict.label}" + ("" if each.verdict.score is None else f" {each.verdict.score:.3f}")
        for each in (() if run is None else run.analyses)
        if each.verdict is not None
    ]
    return (
        file.file_id,
        file.parent_file_id,
        file.filename,
        file.media_type,
        file.size,
        file.sha256,
        None if file.created_at is None else file.created_at.isoformat(),
        file.status,
        None if run is None else run.run_number,
        None if run is None or run.completed_at is None else run.completed_at.isoformat(),
        None if report is None else report.label,
        None if report is None else report.score,
        None if report is None else report.confidence,
        None if report is None else report.claim,
        None if report is None else report.summary,
        "; ".join(verdicts),
        "; ".join(each.label for each in file.feedback),
    )


def csv_lines(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as RFC 4180 has them, UTF-8. A text that a spreadsheet would run has an apostrophe in front."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows([[_harmless(cell) for cell in row] for row in rows])
    return text.getvalue().encode("utf-8", "replace")


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
