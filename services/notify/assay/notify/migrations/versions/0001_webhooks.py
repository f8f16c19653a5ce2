"""Webhooks, what is to be delivered to them, and the log of attempts"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("webhook_id", sa.Uuid(), primary_key=True),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("event_types", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("previous_secret", sa.Text()),
        sa.Column("previous_until", Moment),
        sa.Column("is_enabled", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("disabled_code", sa.Text()),
        sa.Column("disabled_reason", sa.Text()),
        sa.Column("disabled_at", Moment),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("changed_at", Moment, nullable=False),
        sa.Column("failing_since", Moment),
        sa.Column("delivered_at", Moment),
    )
    op.create_index("webhooks_owner_id", "webhooks", ["owner_id"])
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.Uuid(), primary_key=True),
        sa.Column("webhook_id", sa.Uuid(), sa.ForeignKey("webhooks.webhook_id", ondelete="CASCADE"), nullable=False),
        sa.Column("file_id", sa.Uuid()),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("traceparent", sa.Text()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("tries", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("began_at", Moment),
        sa.Column("due_at", Moment),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("ended_at", Moment),
        sa.Column("status_code", sa.Integer()),
        sa.Column("error", sa.Text()),
    )
    # A page of the log; the next ones due of one webhook; all of one file; what retention takes.
    op.create_index("deliveries_log", "deliveries", ["webhook_id", "created_at", "delivery_id"])
    op.create_index(
        "deliveries_due", "deliveries", ["webhook_id", "due_at"], postgresql_where=sa.text("status = 'pending'")
    )
    op.create_index("deliveries_file_id", "deliveries", ["file_id"])
    op.create_index("deliveries_created_at", "deliveries", ["created_at"])
    op.create_table(
        "attempts",
        sa.Column(
            "delivery_id", sa.Uuid(), sa.ForeignKey("deliveries.delivery_id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("attempted_at", Moment, nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("status_code", sa.Integer()),
        sa.Column("error", sa.Text()),
        sa.Column("response", sa.Text()),
    )
    op.create_table(
        "deleted_files",
        sa.Column("file_id", sa.Uuid(), primary_key=True),
        sa.Column("deleted_at", Moment, nullable=False),
    )
    op.create_index("deleted_files_deleted_at", "deleted_files", ["deleted_at"])


def downgrade() -> None:
    op.drop_table("deleted_files")
    op.drop_table("attempts")
    op.drop_table("deliveries")
    op.drop_table("webhooks")
