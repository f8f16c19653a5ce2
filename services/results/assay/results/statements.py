"""The statements that run for every record and every request, as text for the driver.

They are the same few thousands of times a second; what SQLAlchemy spends on building one is more than PostgreSQL needs
to answer it. Columns come from the ORM classes. Each list of ids is one parameter, so that a statement is the same, and
stays prepared, for any number of them.
"""

from functools import cache

from assay.results import rows
from assay.results.domain import UNFINISHED
from assay.results.tables import Base, DeletedFile, Feedback

# As the indexes have them, to the letter. Where nulls would come is said although an id is never null: the primary key
# has it the other way round, so it cannot tempt PostgreSQL to walk along all owners' files for those of one.
NEWEST = "file_id DESC NULLS LAST"
OLDEST = "file_id ASC NULLS FIRST"
USUAL_STATUS = "analyzed"
"""The index of the others is small. That they are others is said: PostgreSQL plans without knowing a value."""


class Rows:
    """How one table's rows are read."""

    def __init__(self, table: type[Base]) -> None:
        self._names = [each.key for each in table.__table__.columns]
        self.columns = ", ".join(f'"{name}"' for name in self._names)

    def columns_of(self, source: str) -> str:
        """The columns, of a table or a subquery by this name."""
        return ", ".join(f'{source}."{name}"' for name in self._names)


@cache
def rows_of(table: type[Base]) -> Rows:
    """Of this table."""
    return Rows(table)


# A lock's number is the random end of the id. Two files that share it wait for each other, no more. The sorted subquery
# gives them in their order, and each is locked before the next one is given.
LOCK_WITH_WHOLES = """
    WITH RECURSIVE up AS (
        SELECT file_id FROM unnest($1::uuid[]) AS file_id
        UNION
        SELECT file.parent_file_id FROM files AS file JOIN up ON file.file_id = up.file_id
        WHERE file.parent_file_id IS NOT NULL
    )
    SELECT file_id, pg_advisory_xact_lock(number) FROM (
        SELECT file_id, ('x' || right(replace(file_id::text, '-', ''), 16))::bit(64)::bigint AS number
        FROM up ORDER BY number
    ) AS sorted
"""
"""Wait until nobody else changes anything about these files and those that they were found in, directly or not, and
tell which they are. The locks end with the transaction."""

INSIDE = """
    WITH RECURSIVE down AS (
        SELECT file_id FROM files WHERE parent_file_id = ANY($1::uuid[])
        UNION
        SELECT child.file_id FROM files AS child JOIN down ON child.parent_file_id = down.file_id
    )
    SELECT file_id FROM down
"""
"""The files that were found inside these, directly or not."""

KNOWN_FILES = f"""
    SELECT wanted.file_id, deleted.file_id IS NOT NULL, {rows.FILES.columns_of("known")}
    FROM unnest($1::uuid[]) AS wanted (file_id)
    LEFT JOIN {DeletedFile.__tablename__} AS deleted ON deleted.file_id = wanted.file_id
    LEFT JOIN files AS known ON known.file_id = wanted.file_id
"""
"""Each of these files: its id, whether it was deleted, and its columns, null where there is no row."""

KNOWN_RUNS = f"SELECT {rows.RUNS.columns_of('runs')} FROM runs WHERE file_id = ANY($1::uuid[])"
RUNS_BEGUN = f"SELECT {rows.RUNS.columns_of('runs')} FROM runs WHERE run_id = ANY($1::uuid[])"
STATUSES = "SELECT run_id, analyzer, status FROM analyses WHERE run_id = ANY($1::uuid[])"
KNOWN_ANALYSES = f"SELECT {rows.ANALYSES.columns_of('analyses')} FROM analyses WHERE run_id = ANY($1::uuid[])"
# Said twice, so that partitions without any of these runs are passed over.
SOME_ANALYSES = f"""
    SELECT {rows.ANALYSES.columns_of("analyses")} FROM analyses
    WHERE run_id = ANY($1::uuid[]) AND (run_id, analyzer) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
"""

_OWN = "SELECT file_id FROM files WHERE owner_id = $1 AND parent_file_id IS NULL"
_UNFINISHED = f"({_OWN} AND status = '{{}}' AND status <> '{USUAL_STATUS}' ORDER BY {NEWEST} LIMIT $3)"
NEWEST_AND_UNFINISHED = f"""
    SELECT ARRAY({" UNION ".join([f"({_OWN} ORDER BY {NEWEST} LIMIT $2)", *map(_UNFINISHED.format, UNFINISHED)])})
"""
"""The ids of an owner's newest uploads, $2, and of those that are unfinished the newest of each kind, $3."""

POSITIONS = "SELECT topic, partition, topic_id, next_offset FROM positions"

FORGET_ANALYSES = """
    DELETE FROM analyses WHERE run_id = ANY(ARRAY(SELECT run_id FROM runs WHERE file_id = ANY($1::uuid[])))
    RETURNING {}
"""
FORGET_FILES = "DELETE FROM files WHERE file_id = ANY($1::uuid[]) RETURNING {}"
FORGET_THE_REST = (
    "DELETE FROM runs WHERE file_id = ANY($1::uuid[])",
    f"DELETE FROM {Feedback.__tablename__} WHERE file_id = ANY($1::uuid[])",
    f"INSERT INTO {DeletedFile.__tablename__} SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING",
)
"""Nothing but the mark remains. In this order."""
TALLY = """
    INSERT INTO tally_changes (owner_id, day, subject, counts)
    SELECT owner_id, day, subject, counts::jsonb
    FROM unnest($1::text[], $2::date[], $3::text[], $4::text[]) AS new (owner_id, day, subject, counts)
"""
"""What the transaction changes in the tallies, see `tallying`."""
