"""Queries of webhooks and their log. Each names the owner: what another one has is not there."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from assay.notify.webhooks.paging import Key
from assay.notify.webhooks.queue import disable
from assay.shared.database import Driver

Row = Any
"""A row as the driver gives it, by column."""

COUNT = "SELECT count(*) FROM webhooks WHERE owner_id = $1"
LOCK_OWNER = "SELECT pg_advisory_xact_lock(hashtext('webhooks of'), hashtext($1))"
INSERT = """
    INSERT INTO webhooks (
        webhook_id, owner_id, url, event_types, description, secret, is_enabled, created_at, changed_at
    )
    VALUES ($1, $2, $3, $4, $5, $6, true, now(), now()) RETURNING *
"""
LIST = "SELECT * FROM webhooks WHERE owner_id = $1 ORDER BY webhook_id DESC"
GET = "SELECT * FROM webhooks WHERE owner_id = $1 AND webhook_id = $2"
LOCK = GET + " FOR NO KEY UPDATE"
CHANGE = """
    UPDATE webhooks SET
        url = coalesce($2, url),
        event_types = coalesce($3, event_types),
        description = coalesce($4, description),
        failing_since = CASE WHEN $2 IS NULL THEN failing_since END,
        changed_at = now()
    WHERE webhook_id = $1
"""
ENABLE = """
    UPDATE webhooks SET is_enabled = true, disabled_code = NULL, disabled_reason = NULL, disabled_at = NULL,
        failing_since = NULL
    WHERE webhook_id = $1 AND NOT is_enabled
"""
DELETE = "DELETE FROM webhooks WHERE owner_id = $1 AND webhook_id = $2"
ROTATE = """
    UPDATE webhooks SET previous_secret = secret, previous_until = now() + $3::interval, secret = $2, changed_at = now()
    WHERE webhook_id = $1 RETURNING *
"""
ADD_TEST = """
    INSERT INTO deliveries (delivery_id, webhook_id, event_id, event_type, body, status, due_at, created_at)
    VALUES ($1, $2, $3, $4, $5, 'pending', now(), clock_timestamp()) RETURNING *
"""
LOG = """
    SELECT * FROM deliveries
    WHERE webhook_id = $1 AND (created_at, delivery_id) < (coalesce($2, 'infinity'::timestamptz), $3)
        AND ($4::text IS NULL OR status = $4) AND ($5::text IS NULL OR event_type = $5)
    ORDER BY created_at DESC, delivery_id DESC LIMIT $6
"""
DELIVERY = "SELECT * FROM deliveries WHERE webhook_id = $1 AND delivery_id = $2"
ATTEMPTS = "SELECT * FROM attempts WHERE delivery_id = $1 ORDER BY number DESC LIMIT 100"
REPLAY = """
    UPDATE deliveries SET status = 'pending', due_at = now(), tries = 0, began_at = NULL, ended_at = NULL
    WHERE webhook_id = $1 AND delivery_id = $2 RETURNING *
"""
REPLAY_RANGE = """
    UPDATE deliveries SET status = 'pending', due_at = now(), tries = 0, began_at = NULL, ended_at = NULL
    WHERE delivery_id IN (
        SELECT delivery_id FROM deliveries
        WHERE webhook_id = $1 AND created_at >= $2 AND created_at < $3 AND status = ANY($4)
            AND coalesce(ended_at, created_at) < $3
        ORDER BY created_at LIMIT $5 FOR NO KEY UPDATE
    )
"""
LAST_ID = UUID(int=2**128 - 1)


class WebhookRepository:
    """In one transaction."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def count(self, owner_id: str) -> int:
        """How many the owner has; nobody else registers one for it until the transaction ends."""
        await self._driver.execute(LOCK_OWNER, owner_id)
        return int(await self._driver.fetchval(COUNT, owner_id))

    async def add(
        self, webhook_id: UUID, owner_id: str, *, url: str, event_types: list[str], description: str, secret: str
    ) -> Row:
        """A webhook, enabled."""
        return await self._driver.fetchrow(INSERT, webhook_id, owner_id, url, event_types, description, secret)

    async def of_owner(self, owner_id: str) -> list[Row]:
        """All, the newest first."""
        return list(await self._driver.fetch(LIST, owner_id))

    async def get(self, owner_id: str, webhook_id: UUID) -> Row | None:
        """One; None where it is not there, or another's."""
        return await self._driver.fetchrow(GET, owner_id, webhook_id)

    async def lock(self, owner_id: str, webhook_id: UUID) -> Row | None:
        """Likewise, and nobody else changes it until the transaction ends."""
        return await self._driver.fetchrow(LOCK, owner_id, webhook_id)

    async def change(
        self, webhook_id: UUID, *, url: str | None, event_types: list[str] | None, description: str | None
    ) -> None:
        """What is not None. Who gives a new address gets a new day."""
        await self._driver.execute(CHANGE, webhook_id, url, event_types, description)

    async def enable(self, webhook_id: UUID) -> None:
        """Send again."""
        await self._driver.execute(ENABLE, webhook_id)

    async def disable(self, webhook_id: UUID, code: str, reason: str) -> None:
        """Send nothing more; what waits is skipped. The webhook must be locked."""
        await disable(self._driver, webhook_id, code, reason)

    async def delete(self, owner_id: str, webhook_id: UUID) -> bool:
        """With its log. False where it was not there."""
        return bool(await self._driver.execute(DELETE, owner_id, webhook_id) == "DELETE 1")

    async def rotate(self, webhook_id: UUID, secret: str, old_for: timedelta) -> Row:
        """Another secret; the one before it signs as well for a while."""
        return await self._driver.fetchrow(ROTATE, webhook_id, secret, old_for)

    async def add_test(self, delivery_id: UUID, webhook_id: UUID, *, event_id: str, kind: str, body: bytes) -> Row:
        """A delivery of an event that nothing but this webhook hears."""
        return await self._driver.fetchrow(ADD_TEST, delivery_id, webhook_id, event_id, kind, body)

    async def log(
        self, webhook_id: UUID, *, after: Key | None, status: str | None, event_type: str | None, limit: int
    ) -> list[Row]:
        """Deliveries older than the key, the newest first."""
        moment, delivery_id = after or (None, LAST_ID)
        return list(await self._driver.fetch(LOG, webhook_id, moment, delivery_id, status, event_type, limit))

    async def delivery(self, webhook_id: UUID, delivery_id: UUID) -> Row | None:
        """One; None where it is not of this webhook."""
        return await self._driver.fetchrow(DELIVERY, webhook_id, delivery_id)

    async def attempts(self, delivery_id: UUID) -> list[Row]:
        """The newest hundred, the newest first."""
        return list(await self._driver.fetch(ATTEMPTS, delivery_id))

    async def replay(self, webhook_id: UUID, delivery_id: UUID) -> Row | None:
        """Send it again, with a day of its own; None where it is not of this webhook."""
        return await self._driver.fetchrow(REPLAY, webhook_id, delivery_id)

    async def replay_range(
        self, webhook_id: UUID, since: datetime, until: datetime, statuses: Sequence[str], limit: int
    ) -> int:
        """Likewise those of a time, the oldest first; returns how many.

        What ended after `until` is left alone: so asking again and again comes to an end.
        """
        done = await self._driver.execute(REPLAY_RANGE, webhook_id, since, until, list(statuses), limit)
        return int(done.rsplit(" ", 1)[1])
