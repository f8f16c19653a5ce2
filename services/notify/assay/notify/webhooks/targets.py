"""What a webhook's URL may look like."""

import httpx

from assay.notify.webhooks.addresses import Addresses, RefusedAddressError
from assay.notify.webhooks.errors import WebhookAddressError

MAX_URL = 2000
PORTS = {"http": 80, "https": 443}


class Targets:
    """Decides on URLs when they are registered. Where they lead is decided again at each connection."""

    def __init__(self, addresses: Addresses, *, allow_http: bool) -> None:
        self._addresses = addresses
        self._allow_http = allow_http

    async def check(self, url: str) -> str:
        """The URL in its normal form. Raises WebhookAddressError, which says what is wrong with it."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise WebhookAddressError(f"url: this is no URL: {error}") from error
        if parsed.scheme not in PORTS or not parsed.host:
            raise WebhookAddressError("url: it must begin with https:// and name a host.")
        if parsed.scheme == "http" and not self._allow_http:
            raise WebhookAddressError(
                "url: it must begin with https://. The operator may allow http:// by ASSAY_WEBHOOKS__ALLOW_HTTP."
            )
        port = PORTS[parsed.scheme] if parsed.port is None else parsed.port
        if not 1 <= port <= 65535:
            raise WebhookAddressError("url: there is no such port.")
        if parsed.userinfo:
            raise WebhookAddressError("url: leave the user and password out. The signature tells who is speaking.")
        if parsed.fragment:
            raise WebhookAddressError("url: leave out what is after #; it is never sent.")
        try:
            await self._addresses.of(parsed.raw_host.decode("ascii"), port)
        except RefusedAddressError as error:
            raise WebhookAddressError(
                f"url: {error}. The operator may allow private addresses by ASSAY_WEBHOOKS__ALLOW_PRIVATE."
            ) from error
        normal = str(parsed)
        if len(normal) > MAX_URL:
            raise WebhookAddressError(f"url: it has more than {MAX_URL} characters.")
        return normal
