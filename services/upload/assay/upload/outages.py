"""A part that is away is not the client's fault."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import structlog
from aiokafka.errors import KafkaError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from assay.shared.objects import StorageError
from assay.shared.problems import UnavailableError

log = structlog.get_logger(__name__)

# The driver's own errors too: what runs for every file is asked of it directly.
_DATABASE = (DBAPIError, PoolTimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


@contextmanager
def storage_errors(
    told: str = "The storage does not answer. Nothing was kept; send the file again.",
) -> Iterator[None]:
    """S3, PostgreSQL or Kafka away: raises UnavailableError with what to tell the client."""
    try:
        yield
    except (*StorageError, *_DATABASE, KafkaError, OSError) as error:
        log.error("storage_failed", exc_info=error)
        raise UnavailableError(told) from error
