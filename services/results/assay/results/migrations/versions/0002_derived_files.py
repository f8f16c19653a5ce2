"""Which run of a derived file its parent waits for, and how deep the file was found.

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("files", sa.Column("derived_run_id", sa.Uuid(), nullable=True))
    op.add_column("files", sa.Column("depth", sa.Integer(), nullable=True))
    op.execute(
        "UPDATE files SET derived_run_id = runs.run_id FROM runs "
        "WHERE runs.file_id = files.file_id AND runs.run_number = 1 AND files.parent_file_id IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_column("files", "depth")
    op.drop_column("files", "derived_run_id")
