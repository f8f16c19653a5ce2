"""The same bytes of an owner are one file, unless forced or found inside another"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("files", sa.Column("forced", sa.Boolean(), nullable=False, server_default=sa.false()))
    # Until now the same bytes were a new file each time. The first of them is the one that later uploads are told.
    op.execute(
        """
        UPDATE files SET forced = true
        WHERE parent_file_id IS NULL AND EXISTS (
            SELECT FROM files AS earlier
            WHERE earlier.owner_id = files.owner_id AND earlier.sha256 = files.sha256
              AND earlier.parent_file_id IS NULL AND earlier.file_id < files.file_id
        )
        """
    )
    op.create_index(
        "files_known_bytes",
        "files",
        ["owner_id", "sha256"],
        unique=True,
        postgresql_where=sa.text("NOT forced AND parent_file_id IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("files_known_bytes", "files")
    op.drop_column("files", "forced")
