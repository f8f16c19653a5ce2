"""A Karton service: `python -m bench.karton_worker ANALYZER THREADS LIMIT`.

LIMIT 1 is the classical service that takes one task at a time. More is Karton's asyncio service with that
`concurrency_limit`: the nearest that Karton has to a prefetch; its tasks run in threads.
"""

import asyncio
import logging
import sys
import time
from typing import Any, ClassVar

from karton.core import Config, Karton, Task
from karton.core import asyncio as karton_asyncio

from bench.job import Job
from bench.measuring import READY_KEY, wait_for

IDENTITY = "bench.judge"
RESULTS = "bench.results"
GO_KEY = "bench:go"
ASKED = {"type": "judge"}
ANSWERED = {"type": "verdict"}


def _answer(task: Task, began: float, verdict: dict[str, Any]) -> Task:
    return Task(ANSWERED, payload={"asked": task.uid, "began": began, **verdict, "ended": time.time()})


class Service(Karton):
    """Takes one task at a time."""

    identity = IDENTITY
    filters: ClassVar[list[dict[str, Any]]] = [ASKED]
    job: Job

    def process(self, task: Task) -> None:
        began = time.time()
        sample = task.get_resource("sample")
        verdict = self.job.judge(task.uid, sample.download(), task.get_payload("size"), sample.sha256)
        self.send_task(_answer(task, began, verdict))


class AsyncService(karton_asyncio.Karton):
    """Takes several at a time."""

    identity = IDENTITY
    filters: ClassVar[list[dict[str, Any]]] = [ASKED]
    job: Job

    async def process(self, task: Task) -> None:
        began = time.time()
        sample = task.get_resource("sample")
        size = task.get_payload("size")
        # Karton's own asyncio download makes a client for each file; boto3 in the thread is several times quicker.
        verdict = await asyncio.to_thread(self.job.run, task.uid, sample.uid, size, sample.sha256)
        await self.send_task(_answer(task, began, verdict))


def main() -> None:
    """Load the model, say so, wait for the start, serve until SIGTERM."""
    _, analyzer, threads, limit = sys.argv
    config = Config()
    kind = Service if int(limit) == 1 else AsyncService
    kind.job = Job(analyzer, int(threads))
    config.set("karton", "concurrency_limit", int(limit))
    service = kind(config=config)
    logging.getLogger("karton").setLevel(logging.WARNING)
    service.log.setLevel(logging.WARNING)
    redis = _redis(config)
    redis.incr(READY_KEY)
    wait_for(lambda: redis.get(GO_KEY), "nobody said go", 0.01)
    if isinstance(service, Service):
        service.loop()
    else:
        asyncio.run(service.loop())


def _redis(config: Config) -> Any:
    import redis

    return redis.Redis(host=config.get("redis", "host"), port=config.getint("redis", "port"))


if __name__ == "__main__":
    main()
