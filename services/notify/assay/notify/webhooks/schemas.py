"""HTTP bodies of webhooks."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from assay.contracts import RunCompleted
from assay.notify.webhooks.domain import EVENT_TYPES, DeliveryStatus
from assay.notify.webhooks.targets import MAX_URL


def _known(event_types: list[str]) -> list[str]:
    unknown = [each for each in event_types if each not in EVENT_TYPES]
    if unknown:
        raise ValueError(f"no webhook can ask for {', '.join(unknown)[:200]}; there are {', '.join(EVENT_TYPES)}")
    return sorted(set(event_types))


Url = Annotated[
    str, Field(min_length=1, max_length=MAX_URL, description="Where to POST. https://, no user, no fragment")
]
EventTypes = Annotated[
    list[Annotated[str, Field(json_schema_extra={"enum": list(EVENT_TYPES)})]],
    Field(min_length=1, max_length=100, description="Which events, by `ce_type`"),
    AfterValidator(_known),
]
Description = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$", description="For people")]
Secret = Annotated[
    str,
    Field(max_length=200, description="`whsec_` and 24 to 64 bytes in base64. Left out, one is made. It is shown once"),
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewWebhook(_Request):
    """A webhook to be registered."""

    url: Url
    event_types: EventTypes = [RunCompleted.type]
    description: Description = ""
    secret: Secret | None = None


class WebhookChange(_Request):
    """What is to be different; what is left out, or null, stays."""

    url: Url | None = None
    event_types: EventTypes | None = None
    description: Description | None = None
    enabled: bool | None = Field(
        default=None,
        description="true: send again, whatever it was disabled for. What was skipped meanwhile can be replayed",
    )


class NewSecret(_Request):
    """A secret to take the place of the one there is."""

    secret: Secret | None = None


class Range(_Request):
    """Which deliveries are to be sent again."""

    since: AwareDatetime = Field(description="Those written to the log then or later")
    until: AwareDatetime | None = Field(default=None, description="And before then; null: up to now")
    status: list[Literal["delivered", "failed", "skipped"]] = Field(
        default=["failed", "skipped"], min_length=1, max_length=10, description="Those that ended so"
    )


class Disabled(BaseModel):
    """Why nothing is sent any more."""

    code: Literal["gone", "failing", "by_owner"] = Field(
        description="`gone`: the receiver answered 410. `failing`: nothing could be delivered for a day. "
        "`by_owner`: it was disabled by request"
    )
    reason: str
    at: datetime


class Webhook(BaseModel):
    """A registered webhook. Its secret is never shown again."""

    webhook_id: UUID
    url: str
    event_types: list[str]
    description: str
    enabled: bool
    disabled: Disabled | None = Field(description="Null while it is enabled")
    created_at: datetime
    changed_at: datetime
    failing_since: datetime | None = Field(description="The first failure since the last success; null: all is well")
    last_delivered_at: datetime | None = Field(description="The last success, to ten seconds")
    previous_secret_until: datetime | None = Field(description="Until then the secret before this one signs, too")


class WebhookWithSecret(Webhook):
    """As it is answered once."""

    secret: str = Field(description="Keep it: it is not shown again")


class WebhookList(BaseModel):
    """All webhooks of the caller, the newest first."""

    items: list[Webhook]


class Delivery(BaseModel):
    """One event for one webhook."""

    delivery_id: UUID = Field(description="The header `webhook-id`: the same in every attempt")
    webhook_id: UUID
    event_id: str = Field(description="`ce_id` of the event")
    event_type: str
    file_id: UUID | None = Field(description="Null for a test")
    status: DeliveryStatus = Field(description="`skipped`: the webhook was disabled")
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None = Field(description="Null unless it is pending")
    ended_at: datetime | None
    status_code: int | None = Field(description="Of the last attempt; null without an answer")
    error: str | None = Field(description="Of the last attempt; null for success")


class Attempt(BaseModel):
    """One request, and what came of it."""

    number: int
    attempted_at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    response: str | None = Field(description="How the receiver's answer begins")


class DeliveryDetails(Delivery):
    """A delivery with its attempts, the newest first, and the body that is sent."""

    log: list[Attempt]
    body: dict[str, Any]


class DeliveryList(BaseModel):
    """A page of the log, the newest first."""

    items: list[Delivery]
    next_cursor: str | None = Field(description="Send it as `cursor` for older ones; null at the end")


class Replayed(BaseModel):
    """How many deliveries are sent again."""

    deliveries: int
    more: bool = Field(description="There are more: ask again with the same range")
