"""Records that wait, run, fail and come back: each in a slot of the window, suspects alone in their process."""

import asyncio
import time
from collections.abc import Callable
from heapq import heappop, heappush

import structlog
from opentelemetry.trace import SpanKind
from prometheus_client import Counter

from assay.contracts import MalformedEventError
from assay.contracts.cloudevents import header
from assay.contracts.dead_letters import REDRIVE_GROUP_HEADER
from assay.shared import backoff, metrics, tracing
from assay.shared.committing import Committer
from assay.shared.delivery import Delivery, Handler, PermanentError, WaitsOut, WorkerCrashedError, delivery_of
from assay.shared.giving_up import GivingUp
from assay.shared.holding import CRASHES_ALLOWED, HeldPartition, Job
from assay.shared.isolation import Isolation
from assay.shared.scheduling import Schedule
from assay.shared.tracebacks import Tracebacks

log = structlog.get_logger(__name__)


def is_final(error: BaseException) -> bool:
    """True for errors that say that trying again cannot help."""
    return isinstance(error, PermanentError | MalformedEventError)


class Handling:
    """Runs the handler for jobs. A slot that is free takes the next job at once."""

    def __init__(
        self,
        *,
        group: str,
        handler: Handler,
        schedule: Schedule[Job],
        committer: Committer,
        giving_up: GivingUp,
        isolation: Isolation,
        max_attempts: int,
        waits_out: WaitsOut,
        has_room: Callable[[HeldPartition], None],
    ) -> None:
        """has_room: called when a record of a paused partition went to a handler."""
        self._group = group
        self._handler = handler
        self._schedule = schedule
        self._committer = committer
        self._giving_up = giving_up
        self._isolation = isolation
        self._max_attempts = max_attempts
        self._waits_out = waits_out
        self._has_room = has_room
        self._tasks: dict[asyncio.Task[None], Job | None] = {}
        self._suspects: list[tuple[int, int, Job]] = []
        self._hunt: asyncio.Task[None] | None = None
        self._in_handler = 0
        self._tracebacks = Tracebacks()
        self._moved_at = time.monotonic()
        self._is_draining = False
        self._in_flight = metrics.IN_FLIGHT.labels(group=group)
        self._seconds = metrics.HANDLER_SECONDS.labels(group=group)
        self._consumed: dict[tuple[str, str], Counter] = {}

    def seconds_stalled(self) -> float:
        """How long no handler came to an end although one runs; 0 where none runs."""
        return time.monotonic() - self._moved_at if self._in_handler else 0.0

    def moved(self) -> None:
        """Something went on."""
        self._moved_at = time.monotonic()

    def add(self, job: Job) -> None:
        """Take a new record up. Call `fill` after the last of several."""
        self._wait(job)
        if self._schedule.add(job):
            self._ready(job)

    def fill(self) -> None:
        """Give free slots to what waits."""
        if self._is_draining or self._giving_up.has_stopped:
            return
        while (job := self._schedule.take()) is not None:
            self._spawn(self._run(job), job)

    def bound(self, at_most: int | None) -> None:
        """Have so many records of lanes that give way in work, each; None: as many as their share."""
        self._schedule.bound(at_most)
        self.fill()

    async def drain(self, timeout_s: float) -> None:
        """Begin nothing more, let what runs end within the time, cancel the rest."""
        self._is_draining = True
        self._schedule.drop(lambda _: True)
        self._suspects.clear()
        if self._tasks:
            _, late = await asyncio.wait(list(self._tasks), timeout=timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def lose(self, lost: set[HeldPartition]) -> None:
        """Cancel the work of partitions that are marked as lost, and forget what waits."""
        self._schedule.drop(lambda job: job.held in lost)
        self._schedule.drop_orders(lambda order: isinstance(order, tuple) and order[0] in lost)
        self._suspects = sorted(entry for entry in self._suspects if entry[2].held not in lost)
        for task, job in list(self._tasks.items()):
            if job is not None and job.held in lost:
                task.cancel()

    def _spawn(self, coroutine: "asyncio._CoroutineLike[None]", job: Job | None) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks[task] = job
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            # A bug of ours: handlers' errors are all settled. The offset stays open until a restart.
            log.error("record_not_settled", group=self._group, exc_info=error)
        self.fill()

    def _wait(self, job: Job) -> None:
        job.held.waiting += 1
        job.held.waiting_bytes += job.size

    def _waits_no_more(self, job: Job) -> None:
        held = job.held
        held.waiting -= 1
        held.waiting_bytes -= job.size
        if held.is_paused:
            self._has_room(held)

    def _ready(self, job: Job) -> None:
        if job.crashes is None:
            self._schedule.ready(job)
        elif job.crashes >= CRASHES_ALLOWED:
            job.given_up_for = WorkerCrashedError(
                f"its process died {job.crashes} times while nothing but this record ran"
            )
            self._schedule.ready(job)
        else:
            heappush(self._suspects, (job.crashes, job.number, job))
            if self._hunt is None:
                self._hunt = self._spawn(self._run_suspects(), None)
                self._hunt.add_done_callback(self._hunt_ended)

    async def _run(self, job: Job) -> None:
        """Run jobs one after the other in a slot, until there is none for it."""
        task = asyncio.current_task()
        assert task is not None
        following: Job | None = job
        while following is not None:
            job = following
            self._tasks[task] = job
            try:
                if job.is_urgent:
                    await self._handle(job)
                else:
                    if not self._isolation.try_enter():
                        await self._isolation.enter()
                    try:
                        await self._handle(job)
                    finally:
                        self._isolation.leave()
            finally:
                self._tasks[task] = None
                self._schedule.release(job)
            following = None if self._is_draining or self._giving_up.has_stopped else self._schedule.take()

    async def _run_suspects(self) -> None:
        """Run those that may kill this process one by one, each named in a stored commit before it starts.

        Those that were alone in a crash come last, so that the innocent are done before it happens again.
        """
        task = asyncio.current_task()
        assert task is not None
        while self._suspects and not self._giving_up.has_stopped:
            async with self._isolation.alone():
                while self._suspects and not self._giving_up.has_stopped:
                    job = heappop(self._suspects)[2]
                    self._tasks[task] = job
                    offset = job.record.offset
                    job.held.runs_alone(offset)
                    try:
                        await self._committer.noted(job.held)
                        log.info(
                            "suspect_runs_alone",
                            group=self._group,
                            topic=job.record.topic,
                            partition=job.record.partition,
                            offset=offset,
                            crashes=job.crashes,
                        )
                        await self._handle(job)
                    finally:
                        self._tasks[task] = None
                        job.held.runs_alone(None)

    def _hunt_ended(self, _: "asyncio.Task[None]") -> None:
        self._hunt = None
        if self._suspects and not self._is_draining:
            self._hunt = self._spawn(self._run_suspects(), None)
            self._hunt.add_done_callback(self._hunt_ended)

    async def _handle(self, job: Job) -> None:
        held, offset = job.held, job.record.offset
        self._waits_no_more(job)
        if not job.attempt:
            job.since = time.perf_counter()
        held.tracker.start(offset)
        self._in_flight.inc()
        try:
            if offset < held.cautious_below and held.alone != offset:
                await self._committer.noted(held)
            outcome = await self._attempt(job)
        finally:
            self._in_flight.dec()
        if held.is_lost:
            return  # its handler ended in spite of the cancellation: whoever has the partition now does it again
        if outcome is None:
            return
        self._finish(job)
        self._count(job.record.topic, outcome)
        self._seconds.observe(time.perf_counter() - job.since)

    def _finish(self, job: Job) -> None:
        job.held.tracker.finish(job.record.offset)
        if job.crashes is not None:
            job.held.suspects.pop(job.record.offset, None)
        self._goes_on(job)

    def _goes_on(self, job: Job) -> None:
        following = self._schedule.finished(job)
        if following is not None:
            self._ready(following)

    def _count(self, topic: str, outcome: str, records: int = 1) -> None:
        counter = self._consumed.get((topic, outcome))
        if counter is None:
            counter = metrics.CONSUMED.labels(group=self._group, topic=topic, outcome=outcome)
            self._consumed[topic, outcome] = counter
        counter.inc(records)

    async def _attempt(self, job: Job) -> str | None:
        """How it ended: `done` or `dead_letter`; None where it is to be tried again."""
        record = job.record
        if header(record.headers, REDRIVE_GROUP_HEADER) not in (None, self._group):
            return "done"
        if job.given_up_for is None:
            job.attempt += 1
        delivery = delivery_of(record, job.attempt + (job.crashes or 0))
        self._begins()
        try:
            if tracing.is_recording():
                with tracing.span(
                    f"consume {record.topic}",
                    kind=SpanKind.CONSUMER,
                    context=tracing.context_of(delivery.headers),
                    group=self._group,
                    attempt=delivery.attempt,
                ):
                    return await self._settle(job, delivery)
            if header(delivery.headers, "traceparent") is not None:
                with tracing.continued(tracing.context_of(delivery.headers)):
                    return await self._settle(job, delivery)
            return await self._settle(job, delivery)
        finally:
            self._ends()

    def _begins(self) -> None:
        if not self._in_handler:
            self._moved_at = time.monotonic()  # it did not stall while there was nothing to do
        self._in_handler += 1

    def _ends(self) -> None:
        self._in_handler -= 1
        self._moved_at = time.monotonic()

    async def _settle(self, job: Job, delivery: Delivery) -> str | None:
        if job.given_up_for is not None:
            return await self._give_up(job, delivery, job.given_up_for)
        try:
            await self._handler(delivery)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Not ours: something that the handler waited for was cancelled.
            return await self._failed(job, delivery, error)
        except Exception as error:
            return await self._failed(job, delivery, error)
        return "done"

    async def _failed(self, job: Job, delivery: Delivery, error: BaseException) -> str | None:
        job.failures += not self._waits_out(error)
        if is_final(error) or job.failures >= self._max_attempts:
            return await self._give_up(job, delivery, error)
        log.warning(
            "handler_failed",
            group=self._group,
            topic=delivery.topic,
            partition=delivery.partition,
            offset=delivery.offset,
            attempt=delivery.attempt,
            **self._tracebacks.of(error),
        )
        self._try_again(job)
        return None

    async def _give_up(self, job: Job, delivery: Delivery, error: BaseException) -> str | None:
        """Until the dead letter is stored, the record is not done with: whatever was lost here would be lost."""
        if not job.is_counted and not self._giving_up.admit():
            return None  # it stays unfinished, and no other record is begun
        job.is_counted = True
        job.given_up_for = error
        try:
            await self._giving_up.give_up(delivery, error)
        except Exception as failure:
            log.warning(
                "dead_letter_postponed", group=self._group, topic=delivery.topic, **self._tracebacks.of(failure)
            )
            self._try_again(job)
            return None
        return "dead_letter"

    def _try_again(self, job: Job) -> None:
        """Back to the waiting ones, in its time; its slot is free meanwhile."""
        if job.held.is_lost or self._is_draining:
            return
        job.returns += 1
        self._wait(job)
        asyncio.get_running_loop().call_later(backoff.seconds(job.returns), self._again, job)

    def _again(self, job: Job) -> None:
        if job.held.is_lost or self._is_draining:
            return
        self._ready(job)
        self.fill()
