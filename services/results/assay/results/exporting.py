"""All files of a list as one stream, NDJSON or CSV: however many they are, a few hundred are in memory.

They are read with a cursor in one transaction, so the export is what was there when it began. It has connections of
its own, a few: others do not wait for one. A client that reads so slowly that its transaction idles for a minute is cut
off, since an old transaction keeps PostgreSQL from tidying up; the stream breaks then, and does not just end.
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Literal

from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from assay.results.conditional import as_json
from assay.results.listing import Filters, Listing, Sort
from assay.results.showing import shown_of
from assay.results.sparse import FILE_FIELDS, Fields
from assay.results.views import Json, Views
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
                files = await shown_of(driver, self._views, [row["file_id"] for row in rows], fields)
                if form == "csv":
                    yield csv_lines(map(cells, files))
                else:
                    yield b"".join(as_json(each) + b"\n" for each in files)


async def _again(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part


def cells(file: Json) -> Sequence[object]:
    """A file as a row of the table."""
    run = file["run"] or {}
    report = run.get("report") or {}
    verdicts = [
        f"{each['analyzer']}: {said['label']}" + ("" if said["score"] is None else f" {said['score']:.3f}")
        for each in run.get("analyses", ())
        if (said := each["verdict"]) is not None
    ]
    return (
        *(file[name] for name in ("file_id", "parent_file_id", "filename", "media_type", "size", "sha256")),
        _moment(file["created_at"]),
        file["status"],
        run.get("run_number"),
        _moment(run.get("completed_at")),
        *(report.get(name) for name in ("label", "score", "confidence", "claim", "summary")),
        "; ".join(verdicts),
        "; ".join(each["label"] for each in file["feedback"]),
    )


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def csv_lines(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as RFC 4180 has them, UTF-8. A text that a spreadsheet would run has an apostrophe in front."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows([[_harmless(cell) for cell in row] for row in rows])
    return text.getvalue().encode("utf-8", "replace")


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
