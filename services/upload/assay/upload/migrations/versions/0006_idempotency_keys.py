"""Idempotency keys, and what came of their requests"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("owner_id", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("claim", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.Text()),
        sa.Column("files", sa.Integer()),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])
    op.create_table(
        "idempotency_outcomes",
        sa.Column("owner_id", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column(
            "file_id", sa.Uuid(), sa.ForeignKey("files.file_id", name="idempotency_outcomes_file", ondelete="CASCADE")
        ),
        sa.Column("run_id", sa.Uuid()),
        sa.Column("is_known", sa.Boolean()),
        sa.Column("is_requested", sa.Boolean()),
        sa.Column("problem", postgresql.JSONB()),
        sa.ForeignKeyConstraint(
            ["owner_id", "key"],
            ["idempotency_keys.owner_id", "idempotency_keys.key"],
            name="idempotency_outcomes_key",
            ondelete="CASCADE",
        ),
    )
    op.create_index("idempotency_outcomes_file_id", "idempotency_outcomes", ["file_id"])


def downgrade() -> None:
    op.drop_table("idempotency_outcomes")
    op.drop_table("idempotency_keys")
