"""Files that were found inside others"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("files", sa.Column("parent_file_id", sa.Uuid()))


def downgrade() -> None:
    op.drop_column("files", "parent_file_id")
