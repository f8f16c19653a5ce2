"""What an owner does with webhooks."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from assay.notify.webhooks import paging, signing
from assay.notify.webhooks.domain import TEST_TYPE, structured
from assay.notify.webhooks.errors import (
    TooManyWebhooksError,
    UnknownDeliveryError,
    UnknownWebhookError,
    WebhookDisabledError,
    WebhookSecretError,
)
from assay.notify.webhooks.repository import Row, WebhookRepository
from assay.notify.webhooks.schemas import NewWebhook, Range, Replayed, WebhookChange
from assay.notify.webhooks.targets import Targets
from assay.shared.clock import now
from assay.shared.database import DriverTransaction, is_outage
from assay.shared.ids import new_id
from assay.shared.problems import Problem, UnavailableError

log = structlog.get_logger(__name__)

SOURCE = "/assay/notify"
REPLAYED_AT_ONCE = 5000


class WebhookService:
    """Registers, changes, tests and replays. A use case is one transaction."""

    def __init__(
        self,
        transaction: DriverTransaction,
        targets: Targets,
        *,
        max_per_owner: int,
        old_secret: timedelta,
        news: Callable[[], None],
    ) -> None:
        """news: called after a commit with something to send."""
        self._transaction = transaction
        self._targets = targets
        self._max_per_owner = max_per_owner
        self._old_secret = old_secret
        self._news = news

    async def register(self, owner_id: str, wanted: NewWebhook) -> tuple[Row, str]:
        """A webhook and its secret. Raises WebhookAddressError, WebhookSecretError, TooManyWebhooksError."""
        url = await self._targets.check(wanted.url)
        secret = _secret(wanted.secret)
        webhook_id = new_id()
        async with self._repository() as webhooks:
            if await webhooks.count(owner_id) >= self._max_per_owner:
                raise TooManyWebhooksError(f"You have {self._max_per_owner} webhooks. Remove one that you do not need.")
            row = await webhooks.add(
                webhook_id,
                owner_id,
                url=url,
                event_types=wanted.event_types,
                description=wanted.description,
                secret=secret,
            )
        log.info("webhook_registered", webhook_id=str(webhook_id))
        return row, secret

    async def all_of(self, owner_id: str) -> list[Row]:
        """The newest first."""
        async with self._repository() as webhooks:
            return await webhooks.of_owner(owner_id)

    async def one(self, owner_id: str, webhook_id: UUID) -> Row:
        """Raises UnknownWebhookError."""
        async with self._repository() as webhooks:
            return _known(await webhooks.get(owner_id, webhook_id))

    async def change(self, owner_id: str, webhook_id: UUID, wanted: WebhookChange) -> Row:
        """Raises UnknownWebhookError, WebhookAddressError."""
        url = None if wanted.url is None else await self._targets.check(wanted.url)
        async with self._repository() as webhooks:
            row = _known(await webhooks.lock(owner_id, webhook_id))
            await webhooks.change(
                webhook_id,
                url=None if url == row["url"] else url,
                event_types=wanted.event_types,
                description=wanted.description,
            )
            if wanted.enabled:
                await webhooks.enable(webhook_id)
            elif wanted.enabled is False and row["is_enabled"]:
                await webhooks.disable(webhook_id, "by_owner", "It was disabled by request.")
            changed = await webhooks.get(owner_id, webhook_id)
        self._news()
        return changed

    async def delete(self, owner_id: str, webhook_id: UUID) -> None:
        """With its log. Raises UnknownWebhookError."""
        async with self._repository() as webhooks:
            if not await webhooks.delete(owner_id, webhook_id):
                raise UnknownWebhookError
        log.info("webhook_deleted", webhook_id=str(webhook_id))

    async def rotate(self, owner_id: str, webhook_id: UUID, given: str | None) -> tuple[Row, str]:
        """Another secret. Raises UnknownWebhookError, WebhookSecretError."""
        secret = _secret(given)
        async with self._repository() as webhooks:
            _known(await webhooks.lock(owner_id, webhook_id))
            row = await webhooks.rotate(webhook_id, secret, self._old_secret)
        log.info("webhook_secret_rotated", webhook_id=str(webhook_id))
        return row, secret

    async def test(self, owner_id: str, webhook_id: UUID) -> Row:
        """Send an event that says nothing else. Raises UnknownWebhookError, WebhookDisabledError."""
        event_id = new_id()
        moment = now()
        data = {
            "occurred_at": moment.isoformat(),
            "webhook_id": str(webhook_id),
            "owner_id": owner_id,
            "message": "This is a test. Nothing happened to any file.",
        }
        body = structured(
            event_id=str(event_id),
            kind=TEST_TYPE,
            source=SOURCE,
            subject=str(webhook_id),
            moment=moment,
            data=json.dumps(data).encode(),
        )
        async with self._repository() as webhooks:
            if not _known(await webhooks.lock(owner_id, webhook_id))["is_enabled"]:
                raise WebhookDisabledError
            row = await webhooks.add_test(new_id(), webhook_id, event_id=str(event_id), kind=TEST_TYPE, body=body)
        self._news()
        return row

    async def log(
        self,
        owner_id: str,
        webhook_id: UUID,
        *,
        limit: int,
        cursor: str | None,
        status: str | None,
        event_type: str | None,
    ) -> tuple[list[Row], str | None]:
        """A page, and the cursor of the next. Raises UnknownWebhookError, BadDeliveryCursorError."""
        after = None if cursor is None else paging.key_of(cursor)
        async with self._repository() as webhooks:
            _known(await webhooks.get(owner_id, webhook_id))
            rows = await webhooks.log(webhook_id, after=after, status=status, event_type=event_type, limit=limit + 1)
        shown = rows[:limit]
        if len(rows) <= limit:
            return shown, None
        return shown, paging.cursor_of((shown[-1]["created_at"], shown[-1]["delivery_id"]))

    async def delivery(self, owner_id: str, webhook_id: UUID, delivery_id: UUID) -> tuple[Row, list[Row]]:
        """A delivery and its attempts. Raises UnknownWebhookError, UnknownDeliveryError."""
        async with self._repository() as webhooks:
            _known(await webhooks.get(owner_id, webhook_id))
            row = await webhooks.delivery(webhook_id, delivery_id)
            if row is None:
                raise UnknownDeliveryError
            return row, await webhooks.attempts(delivery_id)

    async def replay(self, owner_id: str, webhook_id: UUID, delivery_id: UUID) -> Row:
        """Send one again, under the same id. Raises UnknownWebhookError, UnknownDeliveryError, WebhookDisabledError."""
        async with self._repository() as webhooks:
            if not _known(await webhooks.lock(owner_id, webhook_id))["is_enabled"]:
                raise WebhookDisabledError
            row = await webhooks.replay(webhook_id, delivery_id)
        if row is None:
            raise UnknownDeliveryError
        self._news()
        return row

    async def replay_range(self, owner_id: str, webhook_id: UUID, wanted: Range) -> Replayed:
        """Send those of a time again, the oldest first. Raises UnknownWebhookError, WebhookDisabledError."""
        async with self._repository() as webhooks:
            if not _known(await webhooks.lock(owner_id, webhook_id))["is_enabled"]:
                raise WebhookDisabledError
            count = await webhooks.replay_range(
                webhook_id, wanted.since, wanted.until or now(), wanted.status, REPLAYED_AT_ONCE
            )
        self._news()
        return Replayed(deliveries=count, more=count == REPLAYED_AT_ONCE)

    @asynccontextmanager
    async def _repository(self) -> AsyncIterator[WebhookRepository]:
        try:
            async with self._transaction() as driver:
                yield WebhookRepository(driver)
        except Problem:
            raise
        except Exception as error:
            if not is_outage(error):
                raise
            raise UnavailableError(
                "Webhooks cannot be read or changed at this moment. Try again in a few seconds.",
                headers={"Retry-After": "3"},
            ) from error


def _secret(given: str | None) -> str:
    if given is None:
        return signing.new_secret()
    try:
        signing.key_of(given)
    except ValueError as error:
        raise WebhookSecretError from error
    return given


def _known(row: Row | None) -> Any:
    if row is None:
        raise UnknownWebhookError
    return row
