"""Karton with Redis and S3, from outside: `python -m bench.karton_measure backlog|lone ORDER`. See `measuring`."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from karton.core import Config, Producer, Task
from karton.core.backend import KartonBackend, KartonBind
from karton.core.resource import RemoteResource

from bench.job import Storage
from bench.karton_worker import ANSWERED, ASKED, GO_KEY, IDENTITY, RESULTS
from bench.measuring import READY_KEY, Order, clocked, main, wait_for
from bench.redis_server import running_redis

BUCKET = "karton"


class Bench:
    """A producer, and the queue in which it gets its answers."""

    def __init__(self, port: int) -> None:
        config = Config()
        self.redis = redis.Redis(port=port)
        self.backend = KartonBackend(config, identity=RESULTS)
        self._producer = Producer(config=config, identity="bench.producer", backend=self.backend)
        self._bucket = Storage.from_environment().bucket
        for identity, headers in ((IDENTITY, ASKED), (RESULTS, ANSWERED)):
            self.backend.register_bind(
                KartonBind(
                    identity=identity,
                    info=None,
                    version="1",
                    persistent=True,
                    filters=[headers],
                    service_version=None,
                    is_async=False,
                )
            )

    def submit(self, key: str, size: int, sha256: str) -> None:
        """A task for a file that lies in S3 already."""
        sample = RemoteResource("sample", bucket=self._bucket, uid=key, size=size, sha256=sha256, backend=self.backend)
        self._producer.send_task(Task(ASKED, payload={"sample": sample, "size": size}))

    def waiting(self, identity: str) -> int:
        """Tasks in a service's queues."""
        return sum(self.redis.llen(queue) for queue in self.backend.get_queue_names(identity))

    def answer(self) -> dict[str, Any]:
        """The next verdict. Raises TimeoutError."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            task = self.backend.consume_routed_task(RESULTS)
            if task is not None:
                return dict(task.payload)
        raise TimeoutError("no answer came")


@contextmanager
def running_services(order: Order) -> Iterator[Bench]:
    """Redis, karton-system and services that have loaded the model and wait for `GO_KEY`."""
    storage = Storage.from_environment()
    with running_redis() as port:
        os.environ |= {
            "KARTON_REDIS_HOST": "127.0.0.1",
            "KARTON_REDIS_PORT": str(port),
            "KARTON_S3_ADDRESS": storage.endpoint,
            "KARTON_S3_ACCESS_KEY": storage.access_key,
            "KARTON_S3_SECRET_KEY": storage.secret_key,
            "KARTON_S3_BUCKET": BUCKET,
            # Without these it sends each line of its log through Redis.
            "KARTON_LOGGING_ENABLE_PUBLISH": "0",
            "KARTON_LOGGING_LEVEL": "WARNING",
            "OMP_NUM_THREADS": str(order.threads),
            "OMP_WAIT_POLICY": "passive",
        }
        words = ["bench.karton_worker", order.analyzer, str(order.threads), str(order.prefetch)]
        commands = [["karton.system", "--setup-bucket"], *[words] * order.concurrency]
        processes = [subprocess.Popen([sys.executable, "-m", *words], stdout=sys.stderr) for words in commands]
        try:
            bench = Bench(port)
            wait_for(lambda: int(bench.redis.get(READY_KEY) or 0) >= order.concurrency, "the services are not ready")
            yield bench
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def backlog(order: Order) -> dict[str, Any]:
    """All tasks are routed to the services' queue before the services, loaded and idle, begin to take them."""
    with running_services(order) as bench:
        for each in order.files:
            bench.submit(*each)
        wait_for(lambda: bench.waiting(IDENTITY) == len(order.files), "not all tasks were routed")
        bench.redis.set(GO_KEY, 1)
        wait_for(lambda: bench.waiting(RESULTS) == len(order.files), "not all answers came", 0.25)
        return clocked([bench.answer() for _ in order.files])


def lone(order: Order) -> dict[str, Any]:
    """One task after the other: from `send_task` to the verdict in the submitter's hand."""
    took = []
    with running_services(order) as bench:
        bench.redis.set(GO_KEY, 1)
        for each in order.files:
            began = time.perf_counter()
            bench.submit(*each)
            verdict = bench.answer()
            took.append(time.perf_counter() - began)
            assert verdict["label"]
    return {"files": len(took), "failed": 0, "latencies": took}


if __name__ == "__main__":
    main(backlog, lone)
