"""Who asks: a local token, a JWT of a configured issuer, or the page's session cookie.

What one owner has is invisible to another. Services never trust each other's network: each checks every request.
"""

import asyncio
import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import jwt
from fastapi import Request

from assay.shared.clock import now
from assay.shared.problems import ForbiddenError, UnauthenticatedError, UnavailableError
from assay.shared.settings import AuthSettings

Scope = Literal["user", "operator"]

LOCAL_PREFIX = "assay_"
LOCAL_ISSUER = "assay"
SESSION_COOKIE = "assay_session"
SESSION_LIFETIME = timedelta(hours=12)
# Asymmetric only: with these, a public key can never serve as an HMAC secret.
ISSUER_ALGORITHMS = ("RS256", "ES256")
KEYS_LIFETIME_S = 600.0
# An unknown key id asks the issuer anew, but not more often than this.
KEYS_RETRY_S = 10.0
LEEWAY_S = 30
# So long a token that was verified is taken again unseen, never beyond its end. Checking a signature takes longer than
# many a query.
KNOWN_S = 5.0
KNOWN_AT_MOST = 10_000
OWNER_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._@|:+-]{0,199}$")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `owner_id` owns what is uploaded; `forward` holds headers to ask another service in the same name."""

    owner_id: str
    scopes: frozenset[str]
    forward: dict[str, str] = field(repr=False, compare=False)

    @property
    def is_operator(self) -> bool:
        """True if dead letters and statistics over all owners are open."""
        return "operator" in self.scopes


def mint_token(
    secret: str, owner: str, scopes: Sequence[Scope], lifetime: timedelta | None = None, *, use: str = "token"
) -> str:
    """A token for one owner, signed with the installation's secret; without a lifetime it does not expire.

    Raises ValueError for an owner's name of other than 1 to 200 letters, digits and `._@|:+-`.
    """
    if not OWNER_ID.match(owner):
        raise ValueError("an owner's name has 1 to 200 letters, digits and . _ @ | : + - and begins with a letter")
    issued = now()
    claims: dict[str, Any] = {
        "iss": LOCAL_ISSUER,
        "sub": owner,
        "scope": " ".join(scopes),
        "use": use,
        "iat": issued,
    }
    if lifetime is not None:
        claims["exp"] = issued + lifetime
    return LOCAL_PREFIX + jwt.encode(claims, secret, algorithm="HS256")


class IssuerKeys:
    """The public keys of an OIDC issuer, fetched when needed and kept for ten minutes."""

    def __init__(self, issuer: str, jwks_url: str | None) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._lock = asyncio.Lock()

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """The key of this id; None where the issuer has none. Raises UnavailableError where it does not answer."""
        async with self._lock:
            age = time.monotonic() - self._fetched_at
            if age > KEYS_LIFETIME_S or (key_id not in self._keys and age > KEYS_RETRY_S):
                await self._fetch()
            return self._keys.get(key_id)

    async def _fetch(self) -> None:
        try:
            async with httpx.AsyncClient(timeout=5.0, follow_redirects=False) as client:
                url = self._jwks_url
                if url is None:
                    discovery = await client.get(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
                    url = str(discovery.raise_for_status().json()["jwks_uri"])
                document = (await client.get(url)).raise_for_status().json()
                self._keys = {
                    key.key_id: key
                    for key in jwt.PyJWKSet.from_dict(document).keys
                    if key.key_id and key.algorithm_name in ISSUER_ALGORITHMS
                }
        except (httpx.HTTPError, ValueError, KeyError, jwt.PyJWTError) as error:
            raise UnavailableError("The issuer's keys cannot be fetched. Try again in a minute.") from error
        self._fetched_at = time.monotonic()


class Authenticator:
    """Turns a request into a principal."""

    def __init__(self, settings: AuthSettings) -> None:
        """Raises ValueError where an issuer is set without an audience."""
        if settings.issuer and not settings.audience:
            raise ValueError("ASSAY_AUTH__AUDIENCE is needed where ASSAY_AUTH__ISSUER is set")
        self._settings = settings
        self._keys = IssuerKeys(settings.issuer, settings.jwks_url) if settings.issuer else None
        # By use and token: who it is, and until when that need not be checked again.
        self._known: dict[tuple[str, str], tuple[Principal, float]] = {}

    async def user(self, request: Request) -> Principal:
        """Who asks; a FastAPI dependency. Raises UnauthenticatedError or ForbiddenError."""
        authorization = request.headers.get("authorization")
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer" or not token.strip():
                raise UnauthenticatedError("Send the header as: Authorization: Bearer <token>")
            return await self.verify(token.strip())
        cookie = request.cookies.get(SESSION_COOKIE)
        if cookie is None:
            raise UnauthenticatedError(
                "Send a token: Authorization: Bearer <token>. "
                "`assay token --owner NAME` makes one; the first is in .assay/token."
            )
        if request.method not in SAFE_METHODS:
            self._require_same_origin(request)
        return self._verify_session(cookie)

    async def operator(self, request: Request) -> Principal:
        """As `user`, with the scope `operator`."""
        principal = await self.user(request)
        if not principal.is_operator:
            raise ForbiddenError("This is for operators. Use a token made with: assay token --owner NAME --operator")
        return principal

    def open_session(self, principal: Principal) -> str:
        """The value of a session cookie for who has shown a token."""
        scopes: list[Scope] = ["user", "operator"] if principal.is_operator else ["user"]
        return mint_token(self._secret, principal.owner_id, scopes, SESSION_LIFETIME, use="session")

    @property
    def _secret(self) -> str:
        return self._settings.secret.get_secret_value()

    @staticmethod
    def _require_same_origin(request: Request) -> None:
        # SameSite=Strict keeps other sites out already; another port of the same host counts as the same site.
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
            raise ForbiddenError("A page of another origin cannot use this session.")

    async def verify(self, token: str) -> Principal:
        """Who a bearer token stands for."""
        known = self._recall("token", token)
        if known is not None:
            return known
        if token.startswith(LOCAL_PREFIX):
            return self._verify_local(token, use="token")
        return await self._verify_issued(token)

    def _verify_session(self, cookie: str) -> Principal:
        return self._recall("session", cookie) or self._verify_local(cookie, use="session")

    def _recall(self, use: str, token: str) -> Principal | None:
        principal, until = self._known.get((use, token), (None, 0.0))
        return principal if time.time() < until else None

    def _remember(self, use: str, token: str, principal: Principal, claims: dict[str, Any]) -> Principal:
        if len(self._known) >= KNOWN_AT_MOST:
            self._known.clear()
        self._known[use, token] = principal, min(time.time() + KNOWN_S, claims.get("exp", math.inf))
        return principal

    def _verify_local(self, token: str, *, use: str) -> Principal:
        try:
            claims = jwt.decode(
                token.removeprefix(LOCAL_PREFIX),
                self._secret,
                algorithms=["HS256"],
                issuer=LOCAL_ISSUER,
                options={"require": ["sub", "iat", "use"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise UnauthenticatedError(
                "This token or session has expired. Sign in again with a fresh token."
            ) from error
        except jwt.PyJWTError as error:
            raise UnauthenticatedError("This token was not made by this installation.") from error
        if claims["use"] != use:
            raise UnauthenticatedError("This token was not made for this use.")
        forward = {"cookie": f"{SESSION_COOKIE}={token}"} if use == "session" else {"authorization": f"Bearer {token}"}
        principal = self._principal(claims["sub"], str(claims.get("scope", "")).split(), forward)
        return self._remember(use, token, principal, claims)

    async def _verify_issued(self, token: str) -> Principal:
        if self._keys is None:
            raise UnauthenticatedError("This token is none of this installation's, and no issuer is configured.")
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ISSUER_ALGORITHMS:
                raise UnauthenticatedError(f"Tokens must be signed with {' or '.join(ISSUER_ALGORITHMS)}.")
            key = await self._keys.key(str(header.get("kid", "")))
            if key is None or key.algorithm_name != header["alg"]:
                raise UnauthenticatedError("The token is signed with a key that the issuer does not publish.")
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._settings.issuer,
                audience=self._settings.audience,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", self._settings.owner_claim]},
            )
        except jwt.ExpiredSignatureError as error:
            raise UnauthenticatedError("This token has expired. Get a fresh one from the issuer.") from error
        except jwt.PyJWTError as error:
            raise UnauthenticatedError(f"This token is not accepted: {error}.") from error
        granted = claims.get(self._settings.operator_claim, "")
        scopes = granted.split() if isinstance(granted, str) else [str(each) for each in granted]
        forward = {"authorization": f"Bearer {token}"}
        principal = self._principal(str(claims[self._settings.owner_claim]), ["user", *scopes], forward)
        return self._remember("token", token, principal, claims)

    @staticmethod
    def _principal(owner: str, scopes: Sequence[str], forward: dict[str, str]) -> Principal:
        if not OWNER_ID.match(owner):
            raise UnauthenticatedError("The token names an owner with characters that are not taken.")
        granted = frozenset(scopes) & {"user", "operator"}
        if not granted:
            raise ForbiddenError("This token has no scope.")
        return Principal(owner, granted, forward)
