"""Records that are handled together: what is there at the moment, of each partition in their order, at most so many.

A slot takes a partition's next record and whatever waits behind it; where the lane combines, then what waits of other
partitions, until there are enough. Nothing waits for a batch to fill. But a lane that combines has one in work at a
time, as long as none is full: a transaction costs as much as fifty records, and what comes meanwhile shares the next.

A batch fails and is tried again as a whole, or with others. Where it fails for good, its records are handled one by
one, so that only the one that is bad becomes a dead letter. Suspects, and records that must be noted before they start,
stay by themselves.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
from opentelemetry.trace import SpanKind

from assay.contracts.cloudevents import header
from assay.contracts.dead_letters import REDRIVE_GROUP_HEADER
from assay.shared import tracing
from assay.shared.delivery import BatchHandler, Delivery, delivery_of
from assay.shared.handling import Handling, is_final
from assay.shared.holding import Job

log = structlog.get_logger(__name__)


class BatchHandling(Handling):
    """Runs the handler for several jobs of one order at once."""

    def __init__(self, *, batch_handler: BatchHandler, max_batch: int, **handling: Any) -> None:
        async def one(delivery: Delivery) -> None:
            await batch_handler((delivery,))

        super().__init__(handler=one, **handling)
        self._batch_handler = batch_handler
        self._max_batch = max_batch

    async def _handle(self, job: Job) -> None:
        groups = self._together_with(job) if _goes_together(job) else []
        if not job.is_urgent:
            is_full = sum(map(len, groups)) >= self._max_batch
            self._schedule.combined(job, is_full=is_full)
            if is_full:
                self.fill()
        if sum(map(len, groups)) > 1:
            await self._handle_together(groups)
        else:
            await super()._handle(job)

    def _together_with(self, job: Job) -> list[list[Job]]:
        """The job and what is handled with it: of each partition the next ones, in their order."""
        groups: list[list[Job]] = []
        room = self._max_batch
        head: Job | None = job
        while head is not None:
            group = [head, *self._schedule.following(head, room - 1, _goes_together)]
            groups.append(group)
            room -= len(group)
            head = self._schedule.beside(job, _goes_together) if room else None
        return groups

    async def _handle_together(self, groups: Sequence[Sequence[Job]]) -> None:
        jobs = [job for group in groups for job in group]
        began = time.perf_counter()
        for group in groups:
            if not group[0].attempt:
                group[0].since = began
        for each in jobs:
            self._waits_no_more(each)
            each.held.tracker.start(each.record.offset)
            each.attempt += 1
        self._in_flight.inc(len(jobs))
        self._begins()
        try:
            error = await self._error_of(jobs)
        except asyncio.CancelledError:
            # The partition that the slot was given for is lost, or all is: the others begin anew.
            for group in groups:
                self._begin_anew(group)
            raise
        finally:
            self._ends()
            self._in_flight.dec(len(jobs))
        for group in groups:
            if group[0].held.is_lost:
                continue
            if error is not None:
                self._together_failed(group, error)
            else:
                self._together_done(group)

    def _together_done(self, jobs: Sequence[Job]) -> None:
        first = jobs[0]
        finish = first.held.tracker.finish
        for each in jobs:
            finish(each.record.offset)
        self._count(first.record.topic, "done", len(jobs))
        self._goes_on(first)
        self._seconds.observe(time.perf_counter() - first.since)

    def _begin_anew(self, jobs: Sequence[Job]) -> None:
        if jobs[0].held.is_lost or self._is_draining:
            return
        self._put_back(jobs)
        self._wait(jobs[0])
        self._ready(jobs[0])

    def _put_back(self, jobs: Sequence[Job]) -> None:
        """All but the first wait behind it again."""
        self._schedule.put_back(jobs[0], jobs[1:])
        for each in jobs[1:]:
            self._wait(each)

    async def _error_of(self, jobs: Sequence[Job]) -> BaseException | None:
        """Run the handler; None where it went well."""
        mine = [each for each in jobs if header(each.record.headers, REDRIVE_GROUP_HEADER) in (None, self._group)]
        if not mine:
            return None
        try:
            with _spans([delivery_of(each.record, each.attempt) for each in mine], self._group) as deliveries:
                await self._batch_handler(deliveries)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return error
        except Exception as error:
            return error
        return None

    def _together_failed(self, jobs: Sequence[Job], error: BaseException) -> None:
        first = jobs[0]
        first.failures += not self._waits_out(error)
        is_over = is_final(error) or first.failures >= self._max_attempts
        log.warning(
            "batch_failed",
            group=self._group,
            topic=first.record.topic,
            partition=first.record.partition,
            offset=first.record.offset,
            records=len(jobs),
            attempt=first.attempt,
            next="one by one" if is_over else "again",
            **self._tracebacks.of(error),
        )
        if self._is_draining:
            return
        self._put_back(jobs)
        if not is_over:
            self._try_again(first)
            return
        first.failures = 0  # they were the batch's
        for each in jobs:
            each.is_single = True
        self._wait(first)
        self._ready(first)


def _goes_together(job: Job) -> bool:
    return not (
        job.is_single
        or job.is_urgent
        or job.crashes is not None
        or job.given_up_for is not None
        or job.record.offset < job.held.cautious_below
    )


@contextmanager
def _spans(deliveries: Sequence[Delivery], group: str) -> Iterator[Sequence[Delivery]]:
    """The deliveries, each with a span in the trace that it came with, where spans are recorded."""
    if not tracing.is_recording():
        yield deliveries
        return
    with tracing.spans(
        [(f"consume {each.topic}", tracing.context_of(each.headers)) for each in deliveries],
        kind=SpanKind.CONSUMER,
        group=group,
        together=len(deliveries),
    ) as contexts:
        yield [each.within(context) for each, context in zip(deliveries, contexts, strict=True)]
