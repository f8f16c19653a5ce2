"""Marks of erased files, and indexes to find files by age and by the file they were found in"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("file_id", sa.Uuid(), primary_key=True),
        sa.Column("owner_digest", sa.Text(), nullable=False),
        sa.Column("erased_at", MOMENT, nullable=False),
        sa.Column("log_ends_at", MOMENT, nullable=False),
        sa.Column("sweeps", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("due_at", MOMENT),
    )
    op.create_index("erasures_due_at", "erasures", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_index("files_created_at", "files", ["created_at"], postgresql_where=sa.text("parent_file_id IS NULL"))
    op.create_index(
        "files_parent_file_id", "files", ["parent_file_id"], postgresql_where=sa.text("parent_file_id IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("files_parent_file_id", "files")
    op.drop_index("files_created_at", "files")
    op.drop_table("erasures")
