"""Signed requests to S3 (AWS Signature Version 4), for what is asked for every file.

botocore makes the signature. Its client, with its model, its events and its parsers, takes twice the processor time for
a request that puts or gets one object.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest

if TYPE_CHECKING:
    from botocore.credentials import Credentials

UNSIGNED = "UNSIGNED-PAYLOAD"


class _Auth(S3SigV4Auth):
    """Takes the body's hash as it is told, and never reads a body."""

    def __init__(self, credentials: "Credentials", region: str, sha256: str) -> None:
        super().__init__(credentials, "s3", region)
        self._sha256 = sha256

    def payload(self, request: AWSRequest) -> str:
        return self._sha256


class Signer:
    """Signs requests for the objects of one bucket."""

    def __init__(self, credentials: "Credentials", *, endpoint: str, region: str, bucket: str) -> None:
        self._credentials = credentials
        self._region = region
        self._address = f"{endpoint.rstrip('/')}/{bucket}/"

    def sign(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        sha256: str = UNSIGNED,
    ) -> tuple[str, dict[str, str]]:
        """Address and headers of a request for an object.

        sha256: of the body, in hex; a store that checks it refuses another body.
        """
        address = self._address + quote(key, safe="/~")
        if query:
            address += "?" + urlencode(query, quote_via=quote)
        request = AWSRequest(method=method, url=address, headers=headers or {})
        _Auth(self._credentials, self._region, sha256).add_auth(request)
        return address, dict(request.headers.items())
