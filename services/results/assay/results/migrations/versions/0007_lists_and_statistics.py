"""Indexes for the lists that people ask for, and tallies, of which statistics are made.

What is there is counted: each row is looked at once. Five million analyses take two minutes on two cores, in which
nobody writes files or analyses.

Revision: 0007, after 0006
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# The expressions are those of `listing.py`, to the letter. All but the first are of uploads alone: every list that they
# serve has only these, and what was found inside of files costs nothing there.
INDEXES: Sequence[tuple[str, str]] = (
    ("files_owner", "(owner_id, (parent_file_id IS NULL), file_id DESC NULLS LAST)"),
    (
        "files_status",
        "(owner_id, status, file_id DESC NULLS LAST) WHERE status <> 'analyzed' AND parent_file_id IS NULL",
    ),
    ("files_label", "(owner_id, label, file_id DESC NULLS LAST) WHERE label IS NOT NULL AND parent_file_id IS NULL"),
    ("files_score", "(owner_id, coalesce(score, -1), file_id) WHERE parent_file_id IS NULL"),
    (
        "files_media_type",
        "(owner_id, split_part(media_type, '/', 1), file_id DESC NULLS LAST) WHERE parent_file_id IS NULL",
    ),
    (
        "files_name",
        "(owner_id, (left(lower(coalesce(filename, '')), 200) COLLATE \"C\"), file_id) WHERE parent_file_id IS NULL",
    ),
    ("files_sha256", "USING hash (sha256) WHERE parent_file_id IS NULL"),
    ("files_name_parts", "USING gin (filename public.gin_trgm_ops) WHERE parent_file_id IS NULL"),
)
# A UUIDv7 begins with its milliseconds. An id of another kind, or from beyond the calendar, is of no day.
_MILLISECONDS = "('x' || left(replace({id}::text, '-', ''), 12))::bit(48)::bigint"
_DAY = (
    f"CASE WHEN substr({{id}}::text, 15, 1) = '7' AND {_MILLISECONDS} < 253402214400000"
    f" THEN date '1970-01-01' + ({_MILLISECONDS} / 86400000)::int END"
)
# As `tallying.py` counts what is written later.
COUNT = f"""
    WITH file_groups AS (
        SELECT owner_id, {_DAY.format(id="file_id")} AS day, status, label, media_type, count(*) AS number,
            sum(size) AS bytes
        FROM files GROUP BY 1, 2, 3, 4, 5
    ), analysis_groups AS (
        SELECT owner_id, {_DAY.format(id="run_id")} AS day, analyzer, status,
            CASE WHEN status = 'completed' THEN label END AS label,
            CASE WHEN status = 'completed' AND duration_ms > 0
                THEN round(8 * ln((duration_ms + 1)::float8) / ln(2::float8))::int END AS bucket,
            count(*) AS number, sum(duration_ms) FILTER (WHERE status = 'completed') AS duration_ms
        FROM analyses GROUP BY 1, 2, 3, 4, 5, 6
    ), numbers AS (
        SELECT owner_id, day, '' AS subject, name, part FROM file_groups, LATERAL (VALUES
            ('files', number), ('bytes', bytes), ('status/' || status, number), ('label/' || label, number),
            ('media_type/' || media_type, number)
        ) AS each (name, part)
        UNION ALL
        SELECT owner_id, day, analyzer, name, part FROM analysis_groups, LATERAL (VALUES
            ('status/' || status, number), ('label/' || label, number), ('bucket/' || bucket, number),
            ('duration_ms', duration_ms)
        ) AS each (name, part)
    ), sums AS (
        SELECT CASE WHEN grouping(owner_id) = 1 THEN '' ELSE owner_id END AS owner_id,
            CASE WHEN grouping(day) = 1 THEN '-infinity' ELSE day END AS day, subject, name, sum(part) AS number
        FROM numbers WHERE name IS NOT NULL AND part <> 0
        GROUP BY subject, name, GROUPING SETS ((owner_id, day), (owner_id), (day), ())
        HAVING grouping(day) = 1 OR day IS NOT NULL
    )
    SELECT owner_id, day, subject, jsonb_object_agg(name, number) AS counts FROM sums GROUP BY 1, 2, 3
"""  # noqa: S608  # its own text


def upgrade() -> None:
    # Made with the database, as a rule; it is one that whoever owns a database may add.
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public")
    op.execute("DROP INDEX files_owner")
    for name, rest in INDEXES:
        op.execute(f"CREATE INDEX {name} ON files {rest}")
    op.execute("DROP INDEX analyses_owner")
    op.execute("CREATE INDEX analyses_owner ON analyses (owner_id, analyzer, run_id)")
    op.create_table(
        "tallies",
        sa.Column("owner_id", sa.Text(), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("subject", sa.Text(), primary_key=True),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        # The same few rows change every few seconds, and no key with them: their new versions find room beside them.
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "tally_changes",
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        # Rows come and soon go; whoever reads them passes by those that are gone.
        postgresql_with={"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "2000"},
    )
    op.execute("SET LOCAL work_mem = '256MB'")
    op.execute(f"INSERT INTO tallies (owner_id, day, subject, counts) {COUNT}")


def downgrade() -> None:
    for table in ("tally_changes", "tallies"):
        op.drop_table(table)
    op.execute("DROP INDEX analyses_owner")
    op.execute("CREATE INDEX analyses_owner ON analyses (owner_id, analyzer, status)")
    for name, _ in reversed(INDEXES):
        op.execute(f"DROP INDEX {name}")
    op.execute("CREATE INDEX files_owner ON files (owner_id, file_id DESC)")
