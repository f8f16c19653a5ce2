"""Alembic, with a connection and a transaction of ours."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def upgrade(connection: Connection, schema: str, scripts: Path) -> None:
    """Bring the schema to the newest revision; `assay.shared.migrations` runs them."""
    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.attributes["connection"] = connection
    config.attributes["schema"] = schema
    command.upgrade(config, "head")
