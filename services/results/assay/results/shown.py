"""What is read to show it: of each row these columns, in this order, and the statements.

Each is one statement, and thus of one moment. What belongs to a file or a run comes as records with it; JSON as text.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from assay.results.schemas import FeedbackView
from assay.results.statements import rows_of
from assay.results.tables import File

DERIVED_SHOWN = 100
RUNS_SHOWN = 100
TEXTS = frozenset({"verdict", "report"})


class ShownRun(NamedTuple):
    """Of a row of `runs`."""

    run_id: UUID
    file_id: UUID
    run_number: int | None
    status: str
    plan: list[str] | None
    requested_at: datetime | None
    deadline: datetime | None
    completed_at: datetime | None
    label: str | None
    score: float | None
    report: str | None


class ShownAnalysis(NamedTuple):
    """Of a row of `analyses`."""

    analyzer: str
    version: str | None
    status: str
    stage: str | None
    fraction: float
    attempt: int
    queued_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    duration_ms: int | None
    device: str | None
    verdict: str | None
    artifacts_follow: bool
    error_code: str | None
    error_message: str | None


class ShownChild(NamedTuple):
    """Of a row of `files`, of a file that was found inside another."""

    file_id: UUID
    derived_by: str | None
    depth: int | None
    media_type: str | None
    size: int | None
    sha256: str | None
    status: str
    label: str | None
    score: float | None


def _record(source: str, names: tuple[str, ...]) -> str:
    columns = (f"{source}.{name}::text" if name in TEXTS else f"{source}.{name}" for name in names)
    return f"ROW({', '.join(columns)})"


_RUN = _record("run", ShownRun._fields)
_ANALYSES = f"""ARRAY(
    SELECT {_record("analysis", ShownAnalysis._fields)} FROM analyses AS analysis WHERE analysis.run_id = %s
)"""
# Run ids are ordered by time. A later run of the whole finds the same files anew.
_DERIVED = f"""ARRAY(
    SELECT {_record("child", ShownChild._fields)} FROM (
        SELECT *, dense_rank() OVER (PARTITION BY derived_by ORDER BY parent_run_id DESC) AS age
        FROM files WHERE parent_file_id = page.file_id
    ) AS child WHERE age = 1 ORDER BY file_id LIMIT {DERIVED_SHOWN}
)"""
_FEEDBACK = f"""ARRAY(
    SELECT {_record("said", tuple(FeedbackView.model_fields))} FROM feedback AS said
    WHERE said.file_id = page.file_id ORDER BY recorded_at, person
)"""
_NEWEST_FIRST = "ORDER BY run_number DESC NULLS LAST, run_id DESC"

FILE = f"SELECT {rows_of(File).columns} FROM files WHERE file_id = $1 AND owner_id = $2"
FILES = f"""
    SELECT {rows_of(File).columns_of("files")} FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (file_id, place)
    JOIN files USING (file_id) ORDER BY place
"""
IS_OWN = "SELECT EXISTS (SELECT FROM files WHERE file_id = $1 AND owner_id = $2)"

RUN = f"""
    SELECT
        (SELECT max(run_number) FROM runs WHERE runs.file_id = file.file_id) AS newest,
        CASE WHEN run.run_id IS NOT NULL THEN {_RUN} END AS run,
        {_ANALYSES % "run.run_id"} AS analyses
    FROM files AS file LEFT JOIN LATERAL (
        SELECT * FROM runs WHERE runs.file_id = file.file_id AND ($3::int IS NULL OR run_number = $3)
        {_NEWEST_FIRST} LIMIT 1
    ) AS run ON TRUE
    WHERE file.file_id = $1 AND file.owner_id = $2
"""
"""Of the file $1 of the owner $2: the newest number, the run $3, or the newest where it is null, and its analyses."""

RUNS = f"""
    SELECT ARRAY(
        SELECT {_RUN} FROM runs AS run WHERE run.file_id = file.file_id {_NEWEST_FIRST} LIMIT {RUNS_SHOWN}
    ) FROM files AS file WHERE file_id = $1 AND owner_id = $2
"""


def files_with_all(files: str, *, run: bool, analyses: bool, derived: bool, feedback: bool) -> str:
    """A page of files, a statement, with what belongs to each before its columns, null where it is not asked for."""
    parts = {
        "run": (run, f"(SELECT {_RUN} FROM runs AS run WHERE run.run_id = page.run_id)"),
        "analyses": (analyses, _ANALYSES % "page.run_id"),
        "derived": (derived, _DERIVED),
        "feedback": (feedback, _FEEDBACK),
    }
    shown = ", ".join(f"{text if is_asked else 'NULL'} AS shown_{name}" for name, (is_asked, text) in parts.items())
    # The page is read once, in its order; what belongs to a file is looked up for each.
    return f"WITH page AS MATERIALIZED ({files}) SELECT {shown}, page.* FROM page"
