"""The real service process on the real stack, an owner for each test, and a look at what is stored."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from support.services import ServiceProcess, running_service
from support.stacks import RunningParts
from support.uploads import ANALYZER, SMALL_ANALYZER, Owner, Storage, manifest, publish

MAX_FILE_BYTES = 256 * 1024 * 1024
SMALLER_BYTES = str(16 * 1024 * 1024)
IDLE_TIMEOUT_S = 4


@pytest.fixture(scope="package")
def environment(stack: RunningParts) -> dict[str, str]:
    """What an upload process gets."""
    return {
        **stack.environment("upload"),
        "ASSAY_LIMITS__MAX_FILE_BYTES": str(MAX_FILE_BYTES),
        "ASSAY_LIMITS__MAX_FILES_PER_REQUEST": "5",
        "ASSAY_LIMITS__IDLE_TIMEOUT": str(IDLE_TIMEOUT_S),
        "ASSAY_PUBLIC_URL": "https://assay.test",
    }


@pytest.fixture(scope="package")
async def upload(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServiceProcess]:
    """A ready service that knows two analyzers."""
    with running_service("upload", environment, tmp_path_factory.mktemp("upload")) as service:
        await publish(environment, manifest(ANALYZER, ("image/*",)))
        await publish(environment, manifest(SMALL_ANALYZER, ("image/*", "audio/x-wav"), max_bytes=1024 * 1024))
        owner = Owner(service.url, environment)
        await owner.until_known({ANALYZER, SMALL_ANALYZER})
        yield service


@pytest.fixture(scope="package")
def replica(
    upload: ServiceProcess, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProcess]:
    """A second process of the service, which sweeps often and takes less."""
    settings = {
        **environment,
        "ASSAY_SLOT": "1",
        "ASSAY_INTENT_LEASE": "PT4S",
        "ASSAY_LIMITS__MAX_FILE_BYTES": SMALLER_BYTES,
        "ASSAY_LIMITS__IDLE_TIMEOUT": "PT1M",
    }
    with running_service("upload", settings, tmp_path_factory.mktemp("replica")) as service:
        yield service


@pytest.fixture
def owner(upload: ServiceProcess, environment: dict[str, str]) -> Owner:
    """Somebody new, who asks the first process."""
    return Owner(upload.url, environment)


@pytest.fixture
async def storage(environment: dict[str, str]) -> AsyncIterator[Storage]:
    """What lies in S3 and PostgreSQL."""
    async with Storage.opened(environment) as storage:
        yield storage


@pytest.fixture
async def client(upload: ServiceProcess) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a token."""
    async with httpx.AsyncClient(base_url=upload.url, timeout=30) as client:
        yield client
