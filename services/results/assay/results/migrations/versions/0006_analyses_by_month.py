"""Analyses lie in partitions by month, that is by range of `run_id`.

The table that was there becomes the partition of all that was before the next month, as it is: nothing is copied, each
row is looked at once. Five million rows take seconds. Partitions for what comes are made by the service, see
`partitions.py`. The way back copies every row.

Revision: 0006, after 0005
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEXES: Sequence[tuple[str, str]] = (("file", "file_id"), ("owner", "owner_id, analyzer, status"))


def upgrade() -> None:
    op.execute("ALTER TABLE analyses RENAME TO analyses_before")
    op.execute("ALTER INDEX analyses_pkey RENAME TO analyses_before_pkey")
    for name, _ in INDEXES:
        op.execute(f"ALTER INDEX analyses_{name} RENAME TO analyses_before_{name}")
    op.execute("CREATE TABLE analyses (LIKE analyses_before INCLUDING DEFAULTS) PARTITION BY RANGE (run_id)")
    op.execute("ALTER TABLE analyses ADD CONSTRAINT analyses_pkey PRIMARY KEY (run_id, analyzer)")
    for name, columns in INDEXES:
        op.execute(f"CREATE INDEX analyses_{name} ON analyses ({columns})")
    # Whatever id comes, there is a place for it.
    op.execute("CREATE TABLE analyses_default PARTITION OF analyses DEFAULT")
    if not op.get_bind().execute(sa.text("SELECT EXISTS (SELECT 1 FROM analyses_before)")).scalar():
        op.execute("DROP TABLE analyses_before")
        return
    begins = _next_month()
    # Ids that tell no time, or one to come.
    op.execute(
        f"WITH odd AS (DELETE FROM analyses_before WHERE run_id >= '{begins}' RETURNING *) "  # noqa: S608  # an id
        "INSERT INTO analyses SELECT * FROM odd"
    )
    op.execute(f"ALTER TABLE analyses ATTACH PARTITION analyses_before FOR VALUES FROM (MINVALUE) TO ('{begins}')")


def downgrade() -> None:
    op.execute("CREATE TABLE analyses_whole (LIKE analyses INCLUDING DEFAULTS)")
    op.execute("INSERT INTO analyses_whole SELECT * FROM analyses")
    op.execute("DROP TABLE analyses")
    op.execute("ALTER TABLE analyses_whole RENAME TO analyses")
    op.execute("ALTER TABLE analyses ADD CONSTRAINT analyses_pkey PRIMARY KEY (run_id, analyzer)")
    for name, columns in INDEXES:
        op.execute(f"CREATE INDEX analyses_{name} ON analyses ({columns})")


def _next_month() -> UUID:
    """The first UUIDv7 of the next month, in UTC."""
    today = datetime.now(UTC)
    year, month = (today.year + 1, 1) if today.month == 12 else (today.year, today.month + 1)
    return UUID(int=int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000 << 80)
