"""What webhooks read from the environment: `ASSAY_WEBHOOKS__…`."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field

from assay.shared.settings import Block


class WebhookSettings(Block):
    """Where webhooks may lead, and how hard is tried."""

    allow_private: bool = Field(
        default=False, description="Webhooks may lead to private, loopback and link-local addresses"
    )
    allow_http: bool = Field(default=False, description="Webhooks may begin with http://, without TLS")
    ssl_ca_file: Path | None = Field(
        default=None, description="CA bundle (PEM) that receivers' certificates may come from, beside the public ones"
    )
    timeout: float = Field(default=15.0, gt=0, le=120, description="Seconds for one attempt, its answer included")
    concurrency: int = Field(default=100, ge=1, le=2000, description="Attempts under way at once in one process")
    per_webhook: int = Field(default=4, ge=1, le=100, description="Of these, to one webhook; while it fails, one")
    first_retry: timedelta = Field(
        default=timedelta(seconds=5), gt=timedelta(0), description="Wait after a first failure; then four times as long"
    )
    longest_retry: timedelta = Field(default=timedelta(hours=4), gt=timedelta(0), description="Longest wait")
    give_up_after: timedelta = Field(
        default=timedelta(days=1),
        gt=timedelta(0),
        description="A delivery that fails for so long is given up; a webhook to which none succeeds is disabled",
    )
    old_secret: timedelta = Field(
        default=timedelta(days=1), description="How long a rotated secret signs beside the new one"
    )
    retention: timedelta = Field(
        default=timedelta(days=7),
        gt=timedelta(0),
        le=timedelta(days=30),
        description="How long the delivery log is kept, and can be replayed",
    )
    max_per_owner: int = Field(default=50, ge=1, description="Webhooks that one owner may have")
