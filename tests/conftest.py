"""What all tests share: one stack of real parts for the whole process; tests are kept apart by owners and ids."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.stacks import RunningParts, running_stack

TESTS = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks for the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where two processes share the tests (pytest-xdist), a folder stays whole: its tests share what they started."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(str(item.path.parent.relative_to(TESTS))))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningParts]:
    """Real Kafka, S3 and PostgreSQL, started once. The parts alone: tests start the services that they need."""
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running
