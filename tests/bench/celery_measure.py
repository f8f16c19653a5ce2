"""Celery with Redis, from outside: `python -m bench.celery_measure backlog|lone ORDER`. See `measuring`."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from bench.measuring import READY_KEY, Order, main, wait_for
from bench.redis_server import running_redis


@contextmanager
def running_worker(order: Order, queue: str) -> Iterator[Any]:
    """Redis and a worker whose processes have all loaded the model. Gives the application's module."""
    with running_redis() as port:
        os.environ |= {
            "BENCH_REDIS": f"redis://127.0.0.1:{port}/0",
            "BENCH_PREFETCH": str(order.prefetch),
            "BENCH_ANALYZER": order.analyzer,
            "BENCH_THREADS": str(order.threads),
            "OMP_NUM_THREADS": str(order.threads),
            "OMP_WAIT_POLICY": "passive",
        }
        # Imported now: the application reads its settings from the environment.
        from bench import celery_worker

        command = ["worker", "--pool", "prefork", "--concurrency", str(order.concurrency), "--queues", queue]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "--app", "bench.celery_worker", *command, *quiet], stdout=sys.stderr
        )
        try:
            with redis.Redis(port=port) as client:
                wait_for(lambda: int(client.get(READY_KEY) or 0) >= order.concurrency, "the worker is not ready")
            yield celery_worker
        finally:
            process.terminate()
            process.wait()


def backlog(order: Order) -> dict[str, Any]:
    """All tasks are in the queue before the worker, loaded and idle, is told to read it.

    The clock runs from the first task's start to the last one's result in the backend (`date_done`).
    """
    idle = "idle"
    with running_worker(order, idle) as module:
        sent = [module.judge.apply_async(args=each) for each in order.files]
        module.app.control.add_consumer(module.QUEUE, reply=True, timeout=5)
        with redis.Redis.from_url(os.environ["BENCH_REDIS"]) as client:
            keys = [module.app.backend.get_key_for_task(each.id) for each in sent]
            # Asking costs the server next to nothing, and the worker nothing.
            wait_for(lambda: client.exists(*keys) == len(keys), "not all tasks have ended", 0.25)
        done = [module.app.AsyncResult(each.id) for each in sent]
        good = [each for each in done if each.successful()]
        ended = max(each.date_done.timestamp() for each in good)
        began = min(each.result["began"] for each in good)
        return {"files": len(sent), "failed": len(sent) - len(good), "seconds": ended - began}


def lone(order: Order) -> dict[str, Any]:
    """One task after the other: from `apply_async` to the verdict in the submitter's hand."""
    took = []
    with running_worker(order, "bench") as module:
        for each in order.files:
            began = time.perf_counter()
            verdict = module.judge.apply_async(args=each).get(timeout=60)
            took.append(time.perf_counter() - began)
            assert verdict["label"]
    return {"files": len(took), "failed": 0, "latencies": took}


if __name__ == "__main__":
    main(backlog, lone)
