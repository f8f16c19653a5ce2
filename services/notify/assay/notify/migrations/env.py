"""Alembic's entry point for the schema `notify`."""

from assay.notify.webhooks.tables import Base
from assay.shared import migrations

migrations.run(Base.metadata)
