"""Two replicas that share their uploads, with short leases."""

from collections.abc import Iterator

import pytest
from support.services import ServiceProcess, running_service
from support.tus import Tus
from support.uploads import Owner

LEASE_S = 2


@pytest.fixture(scope="package")
def resuming(environment: dict[str, str]) -> dict[str, str]:
    """What both get."""
    return {
        **environment,
        "ASSAY_UPLOADS__LEASE": str(LEASE_S),
        "ASSAY_UPLOADS__LOCK_WAIT": "1",
        "ASSAY_LIMITS__IDLE_TIMEOUT": "30",
    }


@pytest.fixture(scope="package")
def one(
    upload: ServiceProcess, resuming: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    """A replica."""
    settings = {**resuming, "ASSAY_SLOT": "2"}
    with running_service("upload", settings, tmp_path_factory.mktemp("one")) as service:
        yield service


@pytest.fixture(scope="package")
def other(
    upload: ServiceProcess, resuming: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    """Another one. Its parts of Assay are the same, its memory is not."""
    settings = {**resuming, "ASSAY_SLOT": "3"}
    with running_service("upload", settings, tmp_path_factory.mktemp("other")) as service:
        yield service


@pytest.fixture
def tus(owner: Owner, one: ServiceProcess) -> Tus:
    """A client of the first replica, for somebody new."""
    return Tus(owner, one.url)
