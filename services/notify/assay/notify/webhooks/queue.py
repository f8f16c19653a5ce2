"""What is due: taken by one process at a time, and what came of it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from assay.notify.webhooks.domain import GONE, Claim, Outcome
from assay.notify.webhooks.retrying import Patience
from assay.shared.database import Driver, DriverTransaction

# A success is noted at its webhook if the last one was noted longer ago: not each of a thousand in a second.
NOTED_EVERY = timedelta(seconds=10)

# Of each webhook its oldest, as many as it has room for in this process; of all these the oldest.
CLAIM = """
    WITH due AS (
        SELECT next.delivery_id
        FROM webhooks w
        LEFT JOIN unnest($1::uuid[], $2::int[]) AS busy(webhook_id, attempts) ON busy.webhook_id = w.webhook_id
        CROSS JOIN LATERAL (
            SELECT d.delivery_id, d.due_at FROM deliveries d
            WHERE d.webhook_id = w.webhook_id AND d.status = 'pending' AND d.due_at <= now()
            ORDER BY d.due_at
            LIMIT greatest(0, CASE WHEN w.failing_since IS NULL THEN $3::int ELSE 1 END - coalesce(busy.attempts, 0))
            FOR NO KEY UPDATE SKIP LOCKED
        ) AS next
        WHERE w.is_enabled
        ORDER BY next.due_at
        LIMIT $4
    )
    UPDATE deliveries d
    SET due_at = now() + $5::interval, attempts = d.attempts + 1, tries = d.tries + 1,
        began_at = coalesce(d.began_at, now())
    FROM due, webhooks w
    WHERE d.delivery_id = due.delivery_id AND w.webhook_id = d.webhook_id
    RETURNING d.delivery_id, d.webhook_id, d.attempts, d.tries, d.began_at, now() AS claimed_at,
        d.event_type, d.body, d.traceparent,
        w.url, w.secret, CASE WHEN w.previous_until > now() THEN w.previous_secret END AS previous_secret,
        w.failing_since IS NOT NULL OR w.delivered_at IS NULL OR w.delivered_at < now() - $6::interval AS is_news
"""
# Always the webhook before its deliveries: so nobody waits in a circle.
LOCK_WEBHOOK = """
    SELECT is_enabled, failing_since, now() AS moment FROM webhooks WHERE webhook_id = $1 FOR NO KEY UPDATE
"""
# Whoever waited so long that another process has taken it over, or replayed it, says nothing about it any more.
END = """
    UPDATE deliveries SET status = $3, due_at = $4, status_code = $5, error = $6,
        ended_at = CASE WHEN $3 <> 'pending' THEN clock_timestamp() END
    WHERE delivery_id = $1 AND attempts = $2 AND status IN ('pending', 'skipped')
"""
LOG = """
    INSERT INTO attempts (delivery_id, number, attempted_at, duration_ms, status_code, error, response)
    SELECT $1, $2, clock_timestamp() - $3 * interval '1 millisecond', $3, $4, $5, $6
    WHERE EXISTS (SELECT FROM deliveries WHERE delivery_id = $1)
    ON CONFLICT DO NOTHING
"""
SUCCEEDED = "UPDATE webhooks SET failing_since = NULL, delivered_at = now() WHERE webhook_id = $1"
# Since the attempt began, not since it failed: so the last try of a single delivery ends a whole day of failure.
FAILED = "UPDATE webhooks SET failing_since = coalesce(failing_since, $2) WHERE webhook_id = $1"
DISABLE = """
    UPDATE webhooks SET is_enabled = false, disabled_code = $2, disabled_reason = $3, disabled_at = now()
    WHERE webhook_id = $1
"""
SKIP = """
    UPDATE deliveries SET status = 'skipped', due_at = NULL, ended_at = now()
    WHERE webhook_id = $1 AND status = 'pending'
"""
GIVE_BACK = """
    UPDATE deliveries d SET due_at = now(), attempts = d.attempts - 1, tries = d.tries - 1
    FROM unnest($1::uuid[], $2::int[]) AS t(delivery_id, attempts)
    WHERE d.delivery_id = t.delivery_id AND d.attempts = t.attempts AND d.status = 'pending'
"""


async def disable(driver: Driver, webhook_id: UUID, code: str, reason: str) -> None:
    """Send nothing more there. What waits stays in the log as skipped, to be replayed. The webhook's row is locked."""
    await driver.execute(DISABLE, webhook_id, code, reason)
    await driver.execute(SKIP, webhook_id)


class Queue:
    """The deliveries that wait, in PostgreSQL. No transaction is open while one is sent: a lease holds it."""

    def __init__(self, transaction: DriverTransaction, patience: Patience, *, lease: timedelta) -> None:
        """lease: after so long a process that has said nothing counts as gone."""
        self._transaction = transaction
        self._patience = patience
        self._lease = lease

    async def claim(self, limit: int, *, per_webhook: int, busy: Mapping[UUID, int]) -> list[Claim]:
        """Take what is due, so many at most. busy: attempts of this process that are under way, by webhook."""
        async with self._transaction() as driver:
            # A claim that PostgreSQL forgets as it dies is made again. What came of an attempt is never forgotten.
            await driver.execute("SET LOCAL synchronous_commit = off")
            rows = await driver.fetch(
                CLAIM, list(busy), list(busy.values()), per_webhook, limit, self._lease, NOTED_EVERY
            )
        return [_claim(row) for row in rows]

    async def give_back(self, claims: Sequence[Claim]) -> None:
        """Let others send what this process could not any more."""
        async with self._transaction() as driver:
            await driver.execute(GIVE_BACK, [each.delivery_id for each in claims], [each.attempt for each in claims])

    async def succeeded(self, claim: Claim, outcome: Outcome) -> None:
        """It was delivered."""
        async with self._transaction() as driver:
            if claim.is_news:
                await driver.execute(SUCCEEDED, claim.webhook_id)
            await driver.execute(END, claim.delivery_id, claim.attempt, "delivered", None, outcome.status_code, None)
            await self._log(driver, claim, outcome)

    async def failed(self, claim: Claim, outcome: Outcome) -> str | None:
        """It was not: try again later, or never. Returns the reason's code where the webhook is now disabled."""
        async with self._transaction() as driver:
            webhook = await driver.fetchrow(LOCK_WEBHOOK, claim.webhook_id)
            if webhook is None:
                return None  # deleted meanwhile, with its log
            moment = webhook["moment"]
            is_gone = outcome.status_code == GONE
            due = (
                None
                if is_gone
                else self._patience.next_due(
                    tries=claim.tries,
                    began_at=claim.began_at,
                    moment=moment,
                    retry_after_s=outcome.retry_after_s,
                )
            )
            status = "failed" if due is None else "pending"
            await driver.execute(END, claim.delivery_id, claim.attempt, status, due, outcome.status_code, outcome.error)
            await self._log(driver, claim, outcome)
            await driver.execute(FAILED, claim.webhook_id, claim.claimed_at)
            if not webhook["is_enabled"]:
                return None
            if is_gone:
                await disable(driver, claim.webhook_id, "gone", "The receiver answered 410 Gone.")
                return "gone"
            since = webhook["failing_since"]
            if due is None and since is not None and moment - since >= self._patience.give_up_after:
                reason = (
                    f"Nothing could be delivered since {since:%Y-%m-%d %H:%M} UTC. The last attempt: {outcome.error}."
                )
                await disable(driver, claim.webhook_id, "failing", reason)
                return "failing"
            return None

    async def _log(self, driver: Driver, claim: Claim, outcome: Outcome) -> None:
        await driver.execute(
            LOG,
            claim.delivery_id,
            claim.attempt,
            outcome.duration_ms,
            outcome.status_code,
            outcome.error,
            outcome.response,
        )


def _claim(row: Any) -> Claim:
    secrets = (row["secret"], row["previous_secret"])
    return Claim(
        delivery_id=row["delivery_id"],
        webhook_id=row["webhook_id"],
        attempt=row["attempts"],
        tries=row["tries"],
        began_at=row["began_at"],
        claimed_at=row["claimed_at"],
        event_type=row["event_type"],
        body=row["body"],
        traceparent=row["traceparent"],
        url=row["url"],
        secrets=tuple(each for each in secrets if each is not None),
        is_news=row["is_news"],
    )
