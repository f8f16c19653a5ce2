"""The statements that run for every record, as text for the driver.

They are the same few thousands of times a second; what SQLAlchemy spends on building one is more than PostgreSQL needs
to answer it. Columns come from the ORM classes. Each list of ids is one parameter, so that a statement is the same, and
stays prepared, for any number of them.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import Table, inspect
from sqlalchemy.dialects.postgresql import JSONB

from assay.results.tables import Analysis, Base, DeletedFile, File, Run


class Rows:
    """How one table's rows become objects, and objects rows."""

    def __init__(self, table: type[Base]) -> None:
        attributes = list(inspect(table).column_attrs)
        columns = [each.columns[0] for each in attributes]
        self._keys = [each.key for each in attributes]
        self._names = [each.key for each in columns]
        self._bodies = [isinstance(each.type, JSONB) for each in columns]
        core = cast("Table", table.__table__)
        self.name = core.name
        self.columns = ", ".join(f'"{name}"' for name in self._names)
        key = ", ".join(column.name for column in core.primary_key.columns)
        numbers = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
        rest = ", ".join(f'"{each.name}" = excluded."{each.name}"' for each in columns if not each.primary_key)
        self.upsert = (
            f"INSERT INTO {self.name} ({self.columns}) VALUES ({numbers}) ON CONFLICT ({key}) DO UPDATE SET {rest}"
        )

    def named(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row as it was read, by the names that the object's constructor takes."""
        return dict(zip(self._keys, row.values(), strict=True))

    def values(self, row: Base) -> tuple[Any, ...]:
        """An object's values, in the order of the columns."""
        known = row.__dict__
        return tuple([known.get(key) for key in self._keys])

    def parameters(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Values as the driver takes them."""
        return tuple(
            [
                json.dumps(value) if is_body and value is not None else value
                for value, is_body in zip(values, self._bodies, strict=True)
            ]
        )


ROWS: dict[type[Base], Rows] = {table: Rows(table) for table in (File, Run, Analysis)}

LOCK = "SELECT count(pg_advisory_xact_lock(number)) FROM unnest($1::bigint[]) AS number"

DELETED = f"SELECT file_id FROM {DeletedFile.__tablename__} WHERE file_id = ANY($1::uuid[])"
FILES = f"SELECT {ROWS[File].columns} FROM files WHERE file_id = ANY($1::uuid[])"
RUNS = f"SELECT {ROWS[Run].columns} FROM runs WHERE file_id = ANY($1::uuid[])"
RUNS_BY_ID = f"SELECT {ROWS[Run].columns} FROM runs WHERE run_id = ANY($1::uuid[])"
STATUSES = "SELECT run_id, analyzer, status FROM analyses WHERE run_id = ANY($1::uuid[])"
ANALYSES = f"""
    SELECT {ROWS[Analysis].columns} FROM analyses
    WHERE (run_id, analyzer) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
"""

ABOVE = """
    WITH RECURSIVE up AS (
        SELECT parent_file_id FROM files WHERE file_id = ANY($1::uuid[]) AND parent_file_id IS NOT NULL
        UNION
        SELECT parent.parent_file_id FROM files AS parent JOIN up ON parent.file_id = up.parent_file_id
        WHERE parent.parent_file_id IS NOT NULL
    )
    SELECT parent_file_id FROM up
"""
"""The files that these were found in, directly or not."""

INSIDE = """
    WITH RECURSIVE down AS (
        SELECT file_id FROM files WHERE parent_file_id = ANY($1::uuid[])
        UNION
        SELECT child.file_id FROM files AS child JOIN down ON child.parent_file_id = down.file_id
    )
    SELECT file_id FROM down
"""
"""The files that were found inside these, directly or not."""

FORGET = (
    *(f"DELETE FROM {ROWS[table].name} WHERE file_id = ANY($1::uuid[])" for table in (Analysis, Run, File)),
    f"INSERT INTO {DeletedFile.__tablename__} SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING",
)
"""Nothing but the mark remains."""
