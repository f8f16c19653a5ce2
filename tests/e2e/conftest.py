"""One running product for all end-to-end tests, with two upload services and the test roots trusted."""

from collections.abc import Iterator

import pytest
from support.product import Product, running_product


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running_product(tmp_path_factory.mktemp("product") / "home", ASSAY_SCALE__UPLOAD="2") as running:
        yield running
