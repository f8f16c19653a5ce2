"""Further runs: which versions were asked for, and what asked"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("versions", postgresql.ARRAY(sa.Text())))
    op.add_column("runs", sa.Column("request_id", sa.Uuid()))
    op.create_unique_constraint("runs_request_id", "runs", ["request_id"])


def downgrade() -> None:
    op.drop_constraint("runs_request_id", "runs")
    op.drop_column("runs", "request_id")
    op.drop_column("runs", "versions")
