"""Webhooks in the product as it is by default: through the gateway, and to public addresses only."""

import httpx
import pytest
from support.product import Product


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "https://localhost:8443/", "http://example.com/", "https://169.254.169.254/latest"]
)
def test_what_is_not_public_or_not_https_is_refused(product: Product, url: str) -> None:
    with product.client() as client:
        answer = client.post("/api/v1/webhooks", json={"url": url})
        assert answer.status_code == 422
        assert answer.json()["code"] == "webhook_address_refused"
        assert client.get("/api/v1/webhooks").json() == {"items": []}


def test_the_command_says_so_in_one_line(product: Product) -> None:
    done = product.command("webhooks", "add", "https://127.0.0.1/", check=False)
    assert done.returncode == 1
    assert "ASSAY_WEBHOOKS__ALLOW_PRIVATE" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "no webhooks" in product.command("webhooks", "list").stdout


def test_they_are_documented_with_everything_else(product: Product) -> None:
    paths = httpx.get(f"{product.url}/api/openapi.json").json()["paths"]
    assert set(paths["/api/v1/webhooks"]) == {"get", "post"}
    assert set(paths["/api/v1/webhooks/{webhook_id}"]) == {"get", "patch", "delete"}
    page = httpx.get(f"{product.url}/docs").text
    for word in ("/api/v1/webhooks/{webhook_id}/replay", "webhook_address_refused", "ASSAY_WEBHOOKS__RETENTION"):
        assert word in page, word
    assert "assay_notify_webhook_attempts" in page
