"""Who may come in: local tokens, sessions, and JWTs of an issuer with real keys behind a real HTTP server."""

import asyncio
import base64
import hmac
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import Mock

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import Depends, FastAPI
from pydantic import SecretStr

from assay.shared import problems
from assay.shared.auth import SESSION_COOKIE, Authenticator, Principal, mint_token
from assay.shared.settings import AuthSettings

SECRET = "s" * 40
AUDIENCE = "assay-tests"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _public(key: Any, algorithm: str, key_id: str) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key()))
    return {**described, "kid": key_id, "alg": algorithm, "use": "sig"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """An OIDC issuer: discovery document and keys."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            base = f"http://127.0.0.1:{self.server.server_address[1]}"
            documents: dict[str, Any] = {
                "/.well-known/openid-configuration": {"issuer": base, "jwks_uri": f"{base}/keys"},
                "/keys": {"keys": [_public(RSA_KEY, "RS256", "rsa"), _public(EC_KEY, "ES256", "ec")]},
            }
            body = json.dumps(documents.get(self.path, {})).encode()
            self.send_response(200 if self.path in documents else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
async def client(issuer: str) -> AsyncIterator[httpx.AsyncClient]:
    authenticator = Authenticator(AuthSettings(secret=SecretStr(SECRET), issuer=issuer, audience=AUDIENCE))
    app = FastAPI()
    problems.install(app)

    @app.api_route("/who", methods=["GET", "POST"])
    async def who(principal: Principal = Depends(authenticator.user)) -> dict[str, Any]:
        return {"owner": principal.owner_id, "operator": principal.is_operator}

    @app.get("/operators")
    async def operators(principal: Principal = Depends(authenticator.operator)) -> dict[str, str]:
        return {"owner": principal.owner_id}

    @app.post("/session")
    async def session(principal: Principal = Depends(authenticator.user)) -> str:
        return authenticator.open_session(principal)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://assay.test") as http:
        yield http


def _issued(issuer: str, key: Any = RSA_KEY, algorithm: str = "RS256", key_id: str = "rsa", **changes: Any) -> str:
    claims = {"iss": issuer, "aud": AUDIENCE, "sub": "ada", "exp": time.time() + 600, **changes}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": key_id})


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_local_token_names_its_owner(client: httpx.AsyncClient) -> None:
    answer = await client.get("/who", headers=_bearer(mint_token(SECRET, "grace", ["user"])))
    assert answer.json() == {"owner": "grace", "operator": False}


async def test_a_token_of_another_installation_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/who", headers=_bearer(mint_token("x" * 40, "grace", ["user"])))
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"
    assert answer.headers["content-type"] == problems.MEDIA_TYPE
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_an_expired_local_token_is_refused(client: httpx.AsyncClient) -> None:
    token = mint_token(SECRET, "grace", ["user"], timedelta(seconds=-1))
    assert (await client.get("/who", headers=_bearer(token))).status_code == 401


async def test_a_token_that_was_just_taken_ends_when_it_says(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is remembered for some seconds, and not longer than it holds."""
    token = mint_token(SECRET, "grace", ["user"], timedelta(seconds=1))
    with monkeypatch.context() as patched:
        decode = Mock(wraps=jwt.decode)
        patched.setattr(jwt, "decode", decode)
        for _ in range(3):
            assert (await client.get("/who", headers=_bearer(token))).json()["owner"] == "grace"
        assert decode.call_count == 1
    assert (await client.get("/who", headers={"Cookie": f"{SESSION_COOKIE}={token}"})).status_code == 401
    await asyncio.sleep(1.1)
    assert (await client.get("/who", headers=_bearer(token))).status_code == 401


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer ", "Bearer not-a-token", "Bearer a.b.c"])
async def test_what_is_no_token_is_refused(client: httpx.AsyncClient, header: str) -> None:
    answer = await client.get("/who", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_operators_only(client: httpx.AsyncClient) -> None:
    user = await client.get("/operators", headers=_bearer(mint_token(SECRET, "grace", ["user"])))
    assert (user.status_code, user.json()["code"]) == (403, "forbidden")
    operator = await client.get("/operators", headers=_bearer(mint_token(SECRET, "grace", ["user", "operator"])))
    assert operator.json() == {"owner": "grace"}


async def test_a_session_replaces_the_token_and_only_as_a_cookie(client: httpx.AsyncClient) -> None:
    token = mint_token(SECRET, "grace", ["user"])
    session = (await client.post("/session", headers=_bearer(token))).json()
    cookie = {"Cookie": f"{SESSION_COOKIE}={session}"}
    assert (await client.get("/who", headers=cookie)).json()["owner"] == "grace"
    assert (await client.get("/who", headers=_bearer(session))).status_code == 401
    assert (await client.get("/who", headers={"Cookie": f"{SESSION_COOKIE}={token}"})).status_code == 401


async def test_a_page_of_another_origin_cannot_use_the_session(client: httpx.AsyncClient) -> None:
    session = (await client.post("/session", headers=_bearer(mint_token(SECRET, "grace", ["user"])))).json()
    cookie = {"Cookie": f"{SESSION_COOKIE}={session}"}
    assert (await client.post("/who", headers={**cookie, "Origin": "http://evil.test"})).status_code == 403
    assert (await client.post("/who", headers={**cookie, "Origin": "http://assay.test"})).status_code == 200


async def test_jwts_of_the_issuer_are_accepted(client: httpx.AsyncClient, issuer: str) -> None:
    for token in (_issued(issuer), _issued(issuer, EC_KEY, "ES256", "ec")):
        assert (await client.get("/who", headers=_bearer(token))).json() == {"owner": "ada", "operator": False}
    operator = _issued(issuer, scope="openid operator")
    assert (await client.get("/operators", headers=_bearer(operator))).json() == {"owner": "ada"}


async def _refused(client: httpx.AsyncClient, token: str) -> bool:
    answer = await client.get("/who", headers=_bearer(token))
    return answer.status_code == 401 and answer.json()["code"] == "unauthenticated"


async def test_wrong_claims_are_refused(client: httpx.AsyncClient, issuer: str) -> None:
    assert await _refused(client, _issued(issuer, aud="somebody-else"))
    assert await _refused(client, _issued(issuer, iss="http://elsewhere.test"))
    assert await _refused(client, _issued(issuer, exp=time.time() - 600))
    assert await _refused(client, _issued(issuer, nbf=time.time() + 600))
    assert await _refused(client, _issued(issuer, sub="name with spaces"))
    without_expiry = jwt.encode(
        {"iss": issuer, "aud": AUDIENCE, "sub": "ada"}, RSA_KEY, "RS256", headers={"kid": "rsa"}
    )
    assert await _refused(client, without_expiry)


async def test_wrong_keys_and_algorithms_are_refused(client: httpx.AsyncClient, issuer: str) -> None:
    assert await _refused(client, _issued(issuer, STRANGER))
    assert await _refused(client, _issued(issuer, STRANGER, key_id="unknown"))
    claims = {"iss": issuer, "aud": AUDIENCE, "sub": "ada", "exp": time.time() + 600}
    assert await _refused(client, jwt.encode(claims, None, algorithm="none", headers={"kid": "rsa"}))
    public = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    token = _hs256_by_hand(claims, public)
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    assert await _refused(client, token)


def _hs256_by_hand(claims: dict[str, Any], secret: bytes) -> str:
    """The classic forgery, signed with the public key as the secret. PyJWT refuses to make it."""

    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    header = {"alg": "HS256", "kid": "rsa", "typ": "JWT"}
    signed = f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"
    return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), 'sha256'))}"


async def test_an_issuer_without_an_audience_stops_the_start() -> None:
    with pytest.raises(ValueError, match="ASSAY_AUTH__AUDIENCE"):
        Authenticator(AuthSettings(secret=SecretStr(SECRET), issuer="https://issuer.test"))


def test_an_owner_needs_a_plain_name() -> None:
    with pytest.raises(ValueError, match="owner's name"):
        mint_token(SECRET, "../etc", ["user"])
