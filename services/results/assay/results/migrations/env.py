"""Alembic's entry point; `assay.shared.database.migrate` opens the connection."""

from assay.results.tables import Base
from assay.shared import migrations

migrations.run(Base.metadata)
