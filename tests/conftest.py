"""What all tests share: one stack of real parts for the whole process; tests are kept apart by owners and ids."""

from collections.abc import Iterator

import pytest
from support.stacks import RunningParts, running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningParts]:
    """Real Kafka, S3 and PostgreSQL, started once. The parts alone: tests start the services that they need."""
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running
