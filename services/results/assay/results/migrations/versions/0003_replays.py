"""Dead letters that were replayed.

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "replays",
        sa.Column("replay_id", sa.Uuid(), primary_key=True),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.Text()),
        sa.Column("replayed_by", sa.Text(), nullable=False),
        sa.Column("claimed_until", MOMENT, nullable=False),
        sa.Column("replayed_at", MOMENT),
        sa.Column("run_id", sa.Uuid()),
        sa.Column("run_number", sa.Integer()),
    )
    op.create_index("replays_place", "replays", ["partition", "offset"])


def downgrade() -> None:
    op.drop_table("replays")
