"""Alembic's entry point for the schema `upload`."""

from assay.shared import migrations
from assay.upload.tables import Base

migrations.run(Base.metadata)
