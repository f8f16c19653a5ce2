"""Sends what is due. Every replica runs one; each takes what no other one has.

Attempts run beside each other, a few of one webhook at most and one while it fails: a receiver that is slow, or many of
them, leave room for the others.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from uuid import UUID

import structlog
from opentelemetry.trace import SpanKind

from assay.notify.webhooks import metrics
from assay.notify.webhooks.domain import Claim
from assay.notify.webhooks.posting import Poster
from assay.notify.webhooks.queue import Queue
from assay.shared import tracing
from assay.shared.tasks import end

log = structlog.get_logger(__name__)

# How long something that became due by time, or at another replica, may wait to be seen.
POLL_S = 0.5
RETRY_S = 2.0
DRAIN_S = 4.0


class Sender:
    """A loop that claims, and a task for each attempt."""

    def __init__(self, queue: Queue, poster: Poster, *, concurrency: int, per_webhook: int) -> None:
        self._queue = queue
        self._poster = poster
        self._concurrency = concurrency
        self._per_webhook = per_webhook
        self._wake = asyncio.Event()
        self._under_way: dict[asyncio.Task[None], Claim] = {}
        self._busy: Counter[UUID] = Counter()
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin at once with what waits."""
        self._loop = asyncio.create_task(self._send_for_ever(), name="send webhooks")

    async def stop(self) -> None:
        """Take nothing more; what does not end within seconds is given back to the others."""
        await end(self._loop)
        tasks = dict(self._under_way)
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=DRAIN_S)
        await end(*late)
        if late:
            await self._queue.give_back([tasks[each] for each in late])

    def news(self) -> None:
        """There is something to send."""
        self._wake.set()

    async def _send_for_ever(self) -> None:
        while True:
            self._wake.clear()
            rest = POLL_S
            try:
                if await self._take():
                    continue
            except Exception as error:  # PostgreSQL away: the rows wait
                log.warning("webhooks_postponed", reason=str(error) or type(error).__name__)
                rest = RETRY_S
            with suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._wake.wait()

    async def _take(self) -> bool:
        """Begin what there is room for; True if there may be more of it."""
        free = self._concurrency - len(self._under_way)
        if free <= 0:
            return False
        claims = await self._queue.claim(free, per_webhook=self._per_webhook, busy=self._busy)
        for claim in claims:
            task = asyncio.create_task(self._attempt(claim), name=f"webhook {claim.webhook_id}")
            self._under_way[task] = claim
            self._busy[claim.webhook_id] += 1
            task.add_done_callback(self._ended)
        metrics.IN_FLIGHT.set(len(self._under_way))
        return bool(claims)

    def _ended(self, task: asyncio.Task[None]) -> None:
        claim = self._under_way.pop(task)
        self._busy[claim.webhook_id] -= 1
        if not self._busy[claim.webhook_id]:
            del self._busy[claim.webhook_id]
        metrics.IN_FLIGHT.set(len(self._under_way))
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # What came of it could not be noted: the lease ends, and it is sent again under the same id.
            log.warning("webhook_outcome_lost", delivery_id=str(claim.delivery_id), reason=repr(error)[:300])

    async def _attempt(self, claim: Claim) -> None:
        carried = () if claim.traceparent is None else (("traceparent", claim.traceparent.encode()),)
        with tracing.span("POST webhook", kind=SpanKind.CLIENT, context=tracing.context_of(carried)) as current:
            current.set_attribute("webhook_id", str(claim.webhook_id))
            outcome = await self._poster.post(
                claim.url, message_id=str(claim.delivery_id), body=claim.body, secrets=claim.secrets
            )
        metrics.ATTEMPTS.labels(outcome="delivered" if outcome.error is None else "failed").inc()
        metrics.SECONDS.observe(outcome.duration_ms / 1000)
        if outcome.error is None:
            await self._queue.succeeded(claim, outcome)
            return
        disabled = await self._queue.failed(claim, outcome)
        log.info(
            "webhook_attempt_failed",
            webhook_id=str(claim.webhook_id),
            delivery_id=str(claim.delivery_id),
            attempt=claim.attempt,
            status=outcome.status_code,
            disabled=disabled,
        )
        if disabled is not None:
            metrics.DISABLED.labels(reason=disabled).inc()
