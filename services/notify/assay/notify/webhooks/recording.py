"""From events to deliveries: one row for an event and a webhook that asks for it, however often the event comes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from assay.contracts import FileDeleted
from assay.notify.webhooks import metrics
from assay.notify.webhooks.domain import Message
from assay.shared.clock import now
from assay.shared.database import Driver, DriverTransaction

log = structlog.get_logger(__name__)

# Clocks differ: an event that happened so long before a webhook was registered goes there, too.
CLOCKS_DIFFER = timedelta(minutes=1)
LOCK_SPACE = 0x_A55A_0006

SUBSCRIBED = "SELECT webhook_id, owner_id, event_types, created_at, is_enabled FROM webhooks WHERE owner_id = ANY($1)"
# Until the transaction ends: of one file, either rows are written or its deletion is noted. Sorted, so nobody waits in
# a circle.
LOCK = """
    SELECT CASE WHEN alone THEN pg_advisory_xact_lock($1, key)::text
        ELSE pg_advisory_xact_lock_shared($1, key)::text END
    FROM unnest($2::int[], $3::bool[]) AS t(key, alone)
"""
INSERT = """
    INSERT INTO deliveries (
        delivery_id, webhook_id, file_id, event_id, event_type, body, traceparent, status, due_at, created_at, ended_at
    )
    SELECT t.delivery_id, t.webhook_id, t.file_id, t.event_id, t.event_type, t.body, t.traceparent,
        CASE WHEN t.is_enabled THEN 'pending' ELSE 'skipped' END,
        CASE WHEN t.is_enabled THEN now() END, clock_timestamp(), CASE WHEN NOT t.is_enabled THEN now() END
    FROM unnest(
        $1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::bool[]
    ) AS t(delivery_id, webhook_id, file_id, event_id, event_type, body, traceparent, is_enabled)
    WHERE EXISTS (SELECT FROM webhooks w WHERE w.webhook_id = t.webhook_id)
        AND (t.event_type = $9 OR NOT EXISTS (SELECT FROM deleted_files f WHERE f.file_id = t.file_id))
    ON CONFLICT DO NOTHING
"""
MARK = """
    INSERT INTO deleted_files (file_id, deleted_at) SELECT file_id, now() FROM unnest($1::uuid[]) AS t(file_id)
    ON CONFLICT DO NOTHING
"""
FORGET = "DELETE FROM deliveries WHERE file_id = ANY($1) AND event_type <> $2"


@dataclass(frozen=True, slots=True)
class _Wanted:
    message: Message
    webhook_id: UUID
    is_enabled: bool


class Recorder:
    """Writes down what is to be delivered. A batch is one transaction."""

    def __init__(self, transaction: DriverTransaction, *, retention: timedelta) -> None:
        self._transaction = transaction
        self._retention = retention

    async def record(self, messages: Sequence[Message]) -> int:
        """Write deliveries; forget what was deleted. Redelivery is safe. Returns how many rows are new.

        What is older than the log is kept is not written: its row may have been there, and be gone again.
        """
        oldest = now() - self._retention
        young = [each for each in messages if each.occurred_at >= oldest]
        deleted = {each.file_id for each in messages if each.deletes}
        if not young and not deleted:
            return 0
        async with self._transaction() as driver:
            wanted = await self._wanted(driver, young)
            if not wanted and not deleted:
                return 0
            await self._lock({each.message.file_id for each in wanted}, deleted, driver)
            written = await self._insert(driver, wanted)
            if deleted:
                await driver.execute(MARK, list(deleted))
                await driver.execute(FORGET, list(deleted), FileDeleted.type)
        metrics.RECORDED.inc(written)
        return written

    async def _wanted(self, driver: Driver, messages: Sequence[Message]) -> list[_Wanted]:
        owners = {each.owner_id for each in messages}
        subscribed: dict[tuple[str, str], list[Any]] = {}
        for row in await driver.fetch(SUBSCRIBED, list(owners)) if owners else ():
            for kind in row["event_types"]:
                subscribed.setdefault((row["owner_id"], kind), []).append(row)
        return [
            _Wanted(each, row["webhook_id"], row["is_enabled"])
            for each in messages
            for row in subscribed.get((each.owner_id, each.type), ())
            if _is_later(each.occurred_at, row["created_at"])
        ]

    async def _lock(self, written: set[UUID], deleted: set[UUID], driver: Driver) -> None:
        alone = {_lock_key(each) for each in deleted}
        keys = sorted(alone | {_lock_key(each) for each in written})
        await driver.execute(LOCK, LOCK_SPACE - (1 << 32), keys, [each in alone for each in keys])

    async def _insert(self, driver: Driver, wanted: Sequence[_Wanted]) -> int:
        if not wanted:
            return 0
        done = await driver.execute(
            INSERT,
            [each.message.delivery_id(each.webhook_id) for each in wanted],
            [each.webhook_id for each in wanted],
            [each.message.file_id for each in wanted],
            [each.message.event_id for each in wanted],
            [each.message.type for each in wanted],
            [each.message.body for each in wanted],
            [each.message.traceparent for each in wanted],
            [each.is_enabled for each in wanted],
            FileDeleted.type,
        )
        return int(done.rsplit(" ", 1)[1])


def _lock_key(file_id: UUID) -> int:
    """A signed 32-bit number; two files of one number merely wait for each other. A UUIDv7's chance is at its end."""
    return int.from_bytes(file_id.bytes[-4:], "big", signed=True)


def _is_later(event: datetime, webhook: datetime) -> bool:
    return event >= webhook - CLOCKS_DIFFER
