"""The page swaps the token of its address for a cookie."""

import httpx
from support.product import SAMPLES, Product


def test_a_token_becomes_a_cookie_that_opens_everything(product: Product) -> None:
    with httpx.Client(base_url=product.url, timeout=60) as browser:
        opened = browser.post("/api/v1/session", headers={"Authorization": f"Bearer {product.token}"})
        assert opened.status_code in (200, 201, 204)
        cookie = opened.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert browser.get("/api/v1/session").json()["owner_id"]
        with (SAMPLES / "landscape.jpg").open("rb") as file:
            accepted = browser.post("/api/v1/files", files={"file": file}).json()
        with browser.stream("GET", f"/api/v1/files/{accepted['file_id']}/events?until=completed") as stream:
            assert stream.status_code == 200
            # Until the report; it may be there already, and then it is in the snapshot.
            assert "event: snapshot" in stream.read().decode()
        assert browser.get(f"/api/v1/files/{accepted['file_id']}").json()["status"] == "analyzed"


def test_no_session_without_a_token(product: Product) -> None:
    answer = httpx.post(f"{product.url}/api/v1/session")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert "set-cookie" not in answer.headers
