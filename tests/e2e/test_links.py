"""Every link in any answer works, for its owner; for another owner nothing is there."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support.product import SAMPLES, Product


def links_in(answer: Any) -> Iterator[str]:
    """All values under `links`, however deep."""
    if isinstance(answer, dict):
        for name, value in answer.items():
            if name == "links":
                yield from value.values()
            else:
                yield from links_in(value)
    elif isinstance(answer, list):
        for each in answer:
            yield from links_in(each)


def test_every_link_of_every_answer_works(product: Product) -> None:
    explained = product.explained(SAMPLES / "splice.jpg")
    accepted = product.submit(SAMPLES / "splice.jpg")
    with product.client() as client:
        answers = [
            accepted,
            explained,
            client.get(f"/api/v1/files/{accepted['file_id']}").json(),
            client.get(f"/api/v1/files/{accepted['file_id']}/runs/1").json(),
            client.get("/api/v1/files").json(),
            client.get("/api/v1/analyzers").json(),
        ]
        found = {link for answer in answers for link in links_in(answer)}
        assert len(found) >= 4
        for link in found:
            assert link.startswith(product.url), link
            path = link.removeprefix(product.url)
            with client.stream("GET", path, follow_redirects=True) as answer:
                assert answer.status_code == 200, link


@pytest.mark.parametrize("path", ["/", "/files/01900000-0000-7000-8000-000000000000", "/docs"])
def test_pages_are_pages(product: Product, path: str) -> None:
    answer = httpx.get(f"{product.url}{path}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")


def test_another_owner_finds_nothing(product: Product) -> None:
    file_id = product.submit(SAMPLES / "landscape.jpg")["file_id"]
    stranger = product.command("token", "--owner", "stranger").stdout.strip()
    with product.client(stranger) as client:
        for path in ("", "/events", "/runs/1", "/artifacts/jpeg-forensics/heatmap.png"):
            answer = client.get(f"/api/v1/files/{file_id}{path}")
            assert answer.status_code == 404, path
            assert answer.json()["code"].endswith("not_found")
        assert client.get("/api/v1/files").json()["items"] == []
    assert httpx.get(f"{product.url}/api/v1/files/{file_id}").status_code == 401


def test_the_documents_of_the_api_are_served(product: Product) -> None:
    openapi = httpx.get(f"{product.url}/api/openapi.json").json()
    assert openapi["openapi"].startswith("3.1")
    for path in ("/api/v1/files", "/api/v1/files/{file_id}", "/api/v1/files/{file_id}/events", "/api/v1/limits"):
        assert path in openapi["paths"], path
    asyncapi = httpx.get(f"{product.url}/api/asyncapi.json").json()
    assert asyncapi["asyncapi"].startswith("3.")
