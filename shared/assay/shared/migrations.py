"""What every service's `migrations/env.py` calls."""

from alembic import context
from sqlalchemy import MetaData


def run(metadata: MetaData) -> None:
    """Run the migrations on the connection that `assay.shared.database.migrate` opened, in its transaction."""
    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"],
        target_metadata=metadata,
        version_table_schema=attributes["schema"],
    )
    context.run_migrations()
