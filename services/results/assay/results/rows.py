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

from sqlalchemy import Dialect
from sqlalchemy.dialects import postgresql

from assay.contracts import Verdict
from assay.results.tables import Analysis, Base, File, Run
from assay.shared.database import Driver

_DIALECT: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
NO_COLUMN = {"is_column": False}
FEW = 4
"""Of so many changed rows, one exchange with the server counts for more."""


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
        self.names = [each.name for each in fields(row) if each.metadata != NO_COLUMN]
        if self.names != columns.keys():
            raise TypeError(f"{row.__name__} and {table.__name__} differ")
        self.name = table.__tablename__
        self._texts = {each.name for each in columns if isinstance(each.type, postgresql.JSONB)}
        self.values: Callable[[Row], tuple[Any, ...]] = attrgetter(*self.names)
        """A row's values in the order of the columns."""
        keys = [name for name in self.names if columns[name].primary_key]
        self._key_size = len(keys)
        numbered = {name: f'"{name}" = ${number}' for number, name in enumerate(self.names, 1)}
        is_it = " AND ".join(numbered[name] for name in keys)
        changes = ", ".join(each for name, each in numbered.items() if name not in keys)
        self._update = f"UPDATE {self.name} SET {changes} WHERE {is_it}"  # noqa: S608  # its own columns
        self._remove = f"DELETE FROM {self.name} WHERE {keys[0]} = ANY($1)"  # noqa: S608
        if len(keys) > 1:
            # The first key is said twice, so that partitions without any of these rows are passed over.
            types = [columns[name].type.compile(_DIALECT) for name in keys]
            lists = ", ".join(f"${number}::{each}[]" for number, each in enumerate(types, 1))
            self._remove += f" AND ({', '.join(keys)}) IN (SELECT * FROM unnest({lists}))"  # noqa: S608

    def columns_of(self, source: str) -> str:
        """What to select for `of`, of a table by this name."""
        return ", ".join(f'{source}."{name}"' + "::text" * (name in self._texts) for name in self.names)

    def of(self, record: Iterable[Any]) -> Row:
        """The row of a record with these columns."""
        return self._row(*record)

    async def write(self, driver: Driver, new: Sequence[tuple[Any, ...]], changed: Sequence[tuple[Any, ...]]) -> None:
        """Add rows that are known not to be there, change others that are.

        COPY takes half of what INSERT … ON CONFLICT does. Many rows are changed by taking them away and copying them
        anew, which is a third of the work of updating them one by one; to PostgreSQL's tables it is the same.
        """
        if len(changed) > FEW:
            await driver.execute(self._remove, *list(zip(*changed, strict=True))[: self._key_size])
            new = [*new, *changed]
        elif changed:
            await driver.executemany(self._update, changed)
        if new:
            await driver.copy_records_to_table(self.name, columns=self.names, records=new)


FILES = Table(FileRow, File)
RUNS = Table(RunRow, Run)
ANALYSES = Table(AnalysisRow, Analysis)
