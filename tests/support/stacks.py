"""The Kafka, S3 and PostgreSQL that tests run on: the embedded stack, or containers where Docker is there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from assay.embedded.stack import Stack
from support import minio

SECRET = "a secret for tests only, 32 characters or more"


class RunningParts(Protocol):
    """Running parts. `environment` gives the ASSAY_… lines with which a service reaches them."""

    def environment(self, service: str | None = None) -> dict[str, str]: ...


class ContainerStack:
    """Kafka, MinIO and PostgreSQL as containers, by testcontainers."""

    def __init__(self, kafka: str, s3: dict[str, str], postgres: str) -> None:
        self._lines = {"ASSAY_KAFKA__BOOTSTRAP_SERVERS": kafka, **s3, "ASSAY_AUTH__SECRET": SECRET}
        self._postgres = postgres

    def environment(self, service: str | None = None) -> dict[str, str]:
        lines = dict(self._lines)
        if service != "inference":
            lines["ASSAY_DATABASE__URL"] = self._postgres
        return lines


@contextmanager
def containers() -> Iterator[ContainerStack]:
    """Start the containers of `compose.yaml`'s parts. Raises where no Docker engine answers."""
    # Imported here: without Docker these modules must not even be looked at.
    from testcontainers.kafka import KafkaContainer
    from testcontainers.minio import MinioContainer
    from testcontainers.postgres import PostgresContainer

    with (
        KafkaContainer("confluentinc/cp-kafka:8.1.0").with_kraft() as kafka,
        MinioContainer("minio/minio:latest") as minio,
        PostgresContainer("pgvector/pgvector:pg18", driver="asyncpg") as postgres,
    ):
        config = minio.get_config()
        s3 = {
            "ASSAY_S3__ENDPOINT_URL": f"http://{config['endpoint']}",
            "ASSAY_S3__PUBLIC_URL": f"http://{config['endpoint']}",
            "ASSAY_S3__ACCESS_KEY_ID": config["access_key"],
            "ASSAY_S3__SECRET_ACCESS_KEY": config["secret_key"],
            "ASSAY_S3__BUCKET": "assay",
            "ASSAY_S3__REGION": "us-east-1",
        }
        yield ContainerStack(kafka.get_bootstrap_server(), s3, postgres.get_connection_url())


@contextmanager
def running_stack(home: Path) -> Iterator[RunningParts]:
    """The stack that ASSAY_TEST_STACK names: `embedded` (the default) or `containers`.

    With ASSAY_TEST_S3=minio the embedded one has MinIO.
    """
    if minio.is_wanted():
        minio.put_in_place()
    if os.environ.get("ASSAY_TEST_STACK") == "containers":
        with containers() as stack:
            yield stack
    else:
        with Stack(home) as stack:
            yield stack
