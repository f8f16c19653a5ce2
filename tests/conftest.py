"""What all tests share: one stack of real parts for the whole process; tests are kept apart by owners and ids.

Services are shared by the tests of a folder (scope `package`), and end with its last one: two of the same slot at once
would take each other's place in their groups.
"""

from collections.abc import Iterator

import pytest
from support.stacks import RunningParts, running_stack
from xdist.scheduler import LoadScopeScheduling


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningParts]:
    """Real Kafka, S3 and PostgreSQL, started once. The parts alone: tests start the services that they need."""
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


# The longest first, so that no process has much left when the other one is done.
FOLDERS = ("upload", "e2e", "results", "notify", "inference", "shared", "embedded")


class FolderScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a process whole folders, so that each service is started once."""

    def _split_scope(self, nodeid: str) -> str:
        return folder_of(nodeid)


def folder_of(nodeid: str) -> str:
    """`upload` for `tests/upload/resumable/test_tus.py::test_it`."""
    return nodeid.split("::", maxsplit=1)[0].split("/")[1]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FolderScheduling:
    """How `--numprocesses` spreads the tests."""
    return FolderScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Folders in the order in which they are given away."""
    rank = {folder: number for number, folder in enumerate(FOLDERS)}
    items.sort(key=lambda item: rank.get(folder_of(item.nodeid), len(rank)))
