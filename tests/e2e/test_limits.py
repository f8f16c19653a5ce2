"""One size limit at every hop, at its edge, through the gateway."""

from typing import Any

import httpx
from support.product import SAMPLES, Product

MIB = 1024 * 1024


def of_size(size: int) -> bytes:
    """A form with a picture of so many bytes: what follows its end is none of it."""
    picture = (SAMPLES / "landscape.jpg").read_bytes()
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="edge.jpg"\r\n\r\n'
    return head + picture + bytes(size - len(picture)) + b"\r\n--edge--\r\n"


def limits(client: httpx.Client) -> tuple[int, int]:
    """Of a file, and what is stored."""
    told: dict[str, Any] = client.get("/api/v1/limits").json()
    return told["max_file_bytes"], told["usage"]["bytes"]


def send(client: httpx.Client, body: Any) -> httpx.Response:
    return client.post("/api/v1/files", content=body, headers={"Content-Type": "multipart/form-data; boundary=edge"})


def assert_refused(answer: httpx.Response, code: str, limit: int) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert (answer.json()["code"], answer.json()["max_file_bytes"]) == (code, limit)


def test_the_largest_file_is_taken_and_one_byte_more_is_not(product: Product) -> None:
    with product.client() as client:
        limit, stored = limits(client)
        taken = send(client, of_size(limit))
        assert (taken.status_code, taken.json().get("size")) == (202, limit), taken.text
        assert_refused(send(client, of_size(limit + 1)), "file_too_large", limit)
        # The gateway says so by itself, in the same words.
        assert_refused(send(client, of_size(limit + 2 * MIB)), "request_too_large", limit)
        assert limits(client) == (limit, stored + limit)


def test_where_the_length_is_not_told_it_ends_at_the_same_limit(product: Product) -> None:
    with product.client() as client:
        limit, stored = limits(client)
        body = of_size(limit + 2 * MIB)
        pieces = (body[start : start + MIB] for start in range(0, len(body), MIB))
        assert_refused(send(client, pieces), "request_too_large", limit)
        assert limits(client) == (limit, stored)
