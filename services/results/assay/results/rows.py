"""Files, runs and analyses as the writing of events holds them: plain objects, the columns in one order.

SQLAlchemy's objects keep account of every attribute, which costs more than all that is done with one of these. What is
JSON in a table is text here: it was made from an event, or read, and is looked into only where a report needs it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from operator import attrgetter
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB

from assay.contracts import Verdict
from assay.results.tables import Analysis, Base, File, Run
from assay.shared.database import Driver

NO_COLUMN = {"is_column": False}


@dataclass(slots=True, eq=False)
class FileRow:
    """A row of `files`. Fields are the columns of the ORM class, in its order; so for the others."""

    file_id: UUID
    owner_id: str
    parent_file_id: UUID | None = None
    parent_run_id: UUID | None = None
    derived_by: str | None = None
    derived_run_id: UUID | None = None
    depth: int | None = None
    filename: str | None = None
    media_type: str | None = None
    size: int | None = None
    sha256: str | None = None
    created_at: datetime | None = None
    metadata: str | None = None
    run_id: UUID | None = None
    status: str = "queued"
    label: str | None = None
    score: float | None = None


@dataclass(slots=True, eq=False)
class RunRow:
    """A row of `runs`."""

    run_id: UUID
    file_id: UUID
    owner_id: str
    run_number: int | None = None
    plan: Sequence[str] | None = None
    requested_at: datetime | None = None
    deadline: datetime | None = None
    completed_at: datetime | None = None
    status: str = "queued"
    label: str | None = None
    score: float | None = None
    report: str | None = None
    swept_at: datetime | None = None


@dataclass(slots=True, eq=False)
class AnalysisRow:
    """A row of `analyses`."""

    run_id: UUID
    analyzer: str
    file_id: UUID
    owner_id: str
    status: str = "queued"
    version: str | None = None
    stage: str | None = None
    fraction: float = 0.0
    attempt: int = 0
    sequence: int = 0
    device: str | None = None
    queued_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    duration_ms: int | None = None
    label: str | None = None
    claim: str | None = None
    score: float | None = None
    confidence: float | None = None
    verdict: str | None = None
    artifacts_follow: bool = False
    derived: Sequence[UUID] | None = None
    error_code: str | None = None
    error_message: str | None = None
    heard: Verdict | None = field(default=None, metadata=NO_COLUMN)
    """The verdict as it came, which need not be read from the text again."""


Row = TypeVar("Row", FileRow, RunRow, AnalysisRow)


class Table(Generic[Row]):
    """How rows of one table are read, made and changed."""

    def __init__(self, row: type[Row], table: type[Base]) -> None:
        columns = table.__table__.columns
        self._row: Callable[..., Row] = row
        self._names = [each.name for each in fields(row) if each.metadata != NO_COLUMN]
        if self._names != columns.keys():
            raise TypeError(f"{row.__name__} and {table.__name__} differ")
        self.name = table.__tablename__
        self._texts = {each.name for each in columns if isinstance(each.type, JSONB)}
        self.values: Callable[[Row], tuple[Any, ...]] = attrgetter(*self._names)
        """A row's values in the order of the columns."""
        numbered = [(f'"{name}" = ${number}', columns[name].primary_key) for number, name in enumerate(self._names, 1)]
        is_it = " AND ".join(each for each, is_key in numbered if is_key)
        changes = ", ".join(each for each, is_key in numbered if not is_key)
        self._update = f"UPDATE {self.name} SET {changes} WHERE {is_it}"  # noqa: S608  # its own columns

    def columns_of(self, source: str) -> str:
        """What to select for `of`, of a table by this name."""
        return ", ".join(f'{source}."{name}"' + "::text" * (name in self._texts) for name in self._names)

    def of(self, record: Iterable[Any]) -> Row:
        """The row of a record with these columns."""
        return self._row(*record)

    async def insert(self, driver: Driver, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows that are known not to be there. COPY takes half of what INSERT … ON CONFLICT does."""
        if rows:
            await driver.copy_records_to_table(self.name, columns=self._names, records=rows)

    async def update(self, driver: Driver, rows: Sequence[tuple[Any, ...]]) -> None:
        """Change rows that are there."""
        if rows:
            await driver.executemany(self._update, rows)


FILES = Table(FileRow, File)
RUNS = Table(RunRow, Run)
ANALYSES = Table(AnalysisRow, Analysis)
