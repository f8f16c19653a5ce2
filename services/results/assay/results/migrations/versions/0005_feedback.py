"""What people say of files, and each file's score, to filter and sort by.

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("file_id", sa.Uuid(), primary_key=True),
        sa.Column("person", sa.Text(), primary_key=True),
        sa.Column("feedback_id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("analyzer", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("run_id", sa.Uuid()),
        sa.Column("run_number", sa.Integer()),
        sa.Column("said", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("feedback_recorded", "feedback", ["recorded_at"])
    op.add_column("files", sa.Column("score", sa.Double()))
    op.execute("UPDATE files SET score = runs.score FROM runs WHERE runs.run_id = files.run_id")


def downgrade() -> None:
    op.drop_column("files", "score")
    op.drop_table("feedback")
