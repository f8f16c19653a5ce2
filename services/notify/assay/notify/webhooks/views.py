"""From rows to bodies."""

import json
from typing import Any

from assay.notify.webhooks.repository import Row
from assay.notify.webhooks.schemas import (
    Attempt,
    Delivery,
    DeliveryDetails,
    Disabled,
    Webhook,
    WebhookWithSecret,
)
from assay.shared.clock import now


def webhook(row: Row) -> Webhook:
    """A webhook, without its secret."""
    return Webhook(**_webhook(row))


def with_secret(row: Row, secret: str) -> WebhookWithSecret:
    """A webhook, with the secret that it has just been given."""
    return WebhookWithSecret(**_webhook(row), secret=secret)


def _webhook(row: Row) -> dict[str, Any]:
    until = row["previous_until"]
    return {
        "webhook_id": row["webhook_id"],
        "url": row["url"],
        "event_types": row["event_types"],
        "description": row["description"],
        "enabled": row["is_enabled"],
        "disabled": None
        if row["is_enabled"]
        else Disabled(code=row["disabled_code"], reason=row["disabled_reason"], at=row["disabled_at"]),
        "created_at": row["created_at"],
        "changed_at": row["changed_at"],
        "failing_since": row["failing_since"],
        "last_delivered_at": row["delivered_at"],
        "previous_secret_until": until if until is not None and until > now() else None,
    }


def delivery(row: Row) -> Delivery:
    """A line of the log."""
    return Delivery(**_delivery(row))


def details(row: Row, attempts: list[Row]) -> DeliveryDetails:
    """All of it."""
    log = [Attempt(**{name: each[name] for name in Attempt.model_fields}) for each in attempts]
    return DeliveryDetails(**_delivery(row), log=log, body=json.loads(row["body"]))


def _delivery(row: Row) -> dict[str, Any]:
    same = ("delivery_id", "webhook_id", "event_id", "event_type", "file_id", "status", "attempts", "created_at")
    return {
        **{name: row[name] for name in same},
        "next_attempt_at": row["due_at"],
        "ended_at": row["ended_at"],
        "status_code": row["status_code"],
        "error": row["error"],
    }
