"""One running product for all end-to-end tests, with two upload services and the test roots trusted."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from support.product import Product, running_product
from support.uploads import Owner, Storage

from assay.embedded.stack import Stack

# So that the edge can be tried.
MAX_FILE_BYTES = 200 * 1024 * 1024


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    home = tmp_path_factory.mktemp("product") / "home"
    with running_product(home, ASSAY_SCALE__UPLOAD="2", ASSAY_LIMITS__MAX_FILE_BYTES=str(MAX_FILE_BYTES)) as running:
        yield running


@pytest.fixture
def product(running: Product) -> Iterator[Product]:
    """The running product, used by an owner of this test's own: nobody else has examined the same bytes for him."""
    with running.of_owner(f"tester-{uuid4()}") as product:
        yield product


@pytest.fixture
def lines(running: Product) -> dict[str, str]:
    """What its upload services are given."""
    return Stack(running.home).environment("upload")


@pytest.fixture
def owner(running: Product, lines: dict[str, str]) -> Owner:
    """Somebody new, who asks at the gateway."""
    return Owner(running.url, lines)


@pytest.fixture
async def storage(lines: dict[str, str]) -> AsyncIterator[Storage]:
    """What lies in S3 and PostgreSQL."""
    async with Storage.opened(lines) as storage:
        yield storage
