"""Standard Webhooks 1.0: secrets, and the signature that a receiver checks.

Signed is `{webhook-id}.{webhook-timestamp}.{body}` by HMAC-SHA256; source: the specification of standardwebhooks.com,
section "Signature scheme".
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"
MADE_BYTES = 32
LEAST_BYTES, MOST_BYTES = 24, 64


def new_secret() -> str:
    """A secret of 256 bits, with its prefix."""
    return PREFIX + base64.b64encode(secrets.token_bytes(MADE_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The bytes of a secret. Raises ValueError for what is none."""
    if not secret.startswith(PREFIX):
        raise ValueError("no whsec_ before it")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError(f"{len(key)} bytes")
    return key


def signatures(secrets_in_use: Iterable[str], *, message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature for each secret, with spaces between.

    timestamp: Unix seconds, as in `webhook-timestamp`.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    made = (hmac.digest(key_of(each), signed, hashlib.sha256) for each in secrets_in_use)
    return " ".join(f"v1,{base64.b64encode(each).decode()}" for each in made)
