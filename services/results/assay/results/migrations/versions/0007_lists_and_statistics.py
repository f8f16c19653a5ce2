"""Indexes for the lists that people ask for, and what statistics are made of: counts of days that are over.

Revision: 0007, after 0006
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# The expressions are those of `listing.py`, to the letter.
INDEXES: Sequence[tuple[str, str]] = (
    ("files_status", "(owner_id, status, file_id) WHERE status <> 'analyzed'"),
    ("files_label", "(owner_id, label, file_id) WHERE label IS NOT NULL"),
    ("files_score", "(owner_id, coalesce(score, -1), file_id)"),
    ("files_media_type", '(owner_id, (media_type COLLATE "C"), file_id)'),
    ("files_name", "(owner_id, (left(lower(coalesce(filename, '')), 200) COLLATE \"C\"), file_id)"),
    ("files_sha256", "USING hash (sha256)"),
    ("files_name_parts", "USING gin (filename public.gin_trgm_ops)"),
)


def upgrade() -> None:
    # Made with the database, as a rule; it is one that whoever owns a database may add.
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public")
    for name, rest in INDEXES:
        op.execute(f"CREATE INDEX {name} ON files {rest}")
    op.execute("DROP INDEX analyses_owner")
    op.execute("CREATE INDEX analyses_owner ON analyses (owner_id, analyzer, run_id)")
    op.create_table(
        "file_days",
        sa.Column("owner_id", sa.Text(), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("media_type", sa.Text(), primary_key=True),
        sa.Column("status", sa.Text(), primary_key=True),
        sa.Column("label", sa.Text(), primary_key=True),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "analysis_days",
        sa.Column("owner_id", sa.Text(), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("analyzer", sa.Text(), primary_key=True),
        sa.Column("status", sa.Text(), primary_key=True),
        sa.Column("label", sa.Text(), primary_key=True),
        sa.Column("bucket", sa.SmallInteger(), primary_key=True),
        sa.Column("analyses", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "summed_days",
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("summed_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    for table in ("summed_days", "analysis_days", "file_days"):
        op.drop_table(table)
    op.execute("DROP INDEX analyses_owner")
    op.execute("CREATE INDEX analyses_owner ON analyses (owner_id, analyzer, status)")
    for name, _ in reversed(INDEXES):
        op.execute(f"DROP INDEX {name}")
