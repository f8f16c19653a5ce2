"""What owners have: counted by a trigger; which runs are in flight; rates"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Deferred to the commit: the row of an owner is locked for the length of a commit only, so that uploads of one owner
# hardly wait for each other.
COUNT = """
    CREATE FUNCTION count_files() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            INSERT INTO usage AS u (owner_id, files, bytes, day, files_of_day)
            VALUES (
                NEW.owner_id, 1, NEW.size, (now() AT TIME ZONE 'UTC')::date, (NEW.parent_file_id IS NULL)::integer
            )
            ON CONFLICT (owner_id) DO UPDATE SET
                files = u.files + 1,
                bytes = u.bytes + EXCLUDED.bytes,
                day = greatest(u.day, EXCLUDED.day),
                files_of_day = CASE WHEN u.day < EXCLUDED.day THEN 0 ELSE u.files_of_day END + EXCLUDED.files_of_day;
        ELSE
            UPDATE usage SET files = files - 1, bytes = bytes - OLD.size WHERE owner_id = OLD.owner_id;
        END IF;
        RETURN NULL;
    END $$
"""
TRIGGER = """
    CREATE CONSTRAINT TRIGGER files_counted AFTER INSERT OR DELETE ON files
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION count_files()
"""


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("owner_id", sa.Text(), primary_key=True),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("files_of_day", sa.Integer(), nullable=False),
    )
    op.execute(
        """
        INSERT INTO usage
        SELECT owner_id, count(*), sum(size), (now() AT TIME ZONE 'UTC')::date, count(*) FILTER (
            WHERE parent_file_id IS NULL
              AND (created_at AT TIME ZONE 'UTC')::date = (now() AT TIME ZONE 'UTC')::date
        )
        FROM files GROUP BY owner_id
        """
    )
    op.execute(COUNT)
    op.execute(TRIGGER)
    op.create_table(
        "rates",
        sa.Column("owner_id", sa.Text(), primary_key=True),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
    )
    op.add_column("runs", sa.Column("status", sa.Text()))
    op.add_column("runs", sa.Column("asked_by", sa.Text()))
    op.create_index(
        "runs_in_flight",
        "runs",
        ["asked_by"],
        postgresql_where=sa.text("status IS NULL AND asked_by IS NOT NULL"),
    )
    op.drop_column("idempotency_outcomes", "is_requested")
    op.add_column("idempotency_outcomes", sa.Column("status", sa.Text()))


def downgrade() -> None:
    op.drop_column("idempotency_outcomes", "status")
    op.add_column("idempotency_outcomes", sa.Column("is_requested", sa.Boolean()))
    op.drop_index("runs_in_flight", "runs")
    op.drop_column("runs", "asked_by")
    op.drop_column("runs", "status")
    op.drop_table("rates")
    op.execute("DROP TRIGGER files_counted ON files")
    op.execute("DROP FUNCTION count_files()")
    op.drop_table("usage")
