"""Uploads that take many requests, their parts and tails"""

from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "uploads",
        sa.Column("upload_id", sa.Uuid(), primary_key=True),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("fence", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("held_until", MOMENT),
        sa.Column("is_wanted", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("multipart_id", sa.Text()),
        sa.Column("next_part", sa.Integer(), nullable=False, server_default=sa.text("1")),
        sa.Column("part_bytes", sa.BigInteger(), nullable=False),
        sa.Column("is_typed", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("declared_media_type", sa.Text()),
        sa.Column("analyzers", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("metadata", postgresql.JSONB(), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("force", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("sha256", sa.Text()),
        sa.Column("raw_metadata", sa.Text(), nullable=False),
        sa.Column("file_id", sa.Uuid()),
        sa.Column("run_id", sa.Uuid()),
        sa.Column("is_known", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("problem", postgresql.JSONB()),
        sa.Column("is_cleared", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
    )
    op.create_index("uploads_expires_at", "uploads", ["expires_at"])
    op.create_index("uploads_owner_id", "uploads", ["owner_id"])
    op.create_table(
        "upload_parts",
        _upload_id("upload_parts"),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "upload_segments",
        _upload_id("upload_segments"),
        sa.Column("offset", sa.BigInteger(), primary_key=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    for table in ("upload_segments", "upload_parts", "uploads"):
        op.drop_table(table)


def _upload_id(table: str) -> "sa.Column[UUID]":
    key = sa.ForeignKey("uploads.upload_id", name=f"{table}_upload_id", ondelete="CASCADE")
    return sa.Column("upload_id", sa.Uuid(as_uuid=True), key, primary_key=True)
