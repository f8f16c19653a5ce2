"""The Celery application: one task, acknowledged late; the model is loaded once in each worker process."""

import os
import time
from typing import Any

import redis
from celery import Celery, Task
from celery.signals import worker_process_init

from bench.job import Job
from bench.measuring import READY_KEY

URL = os.environ["BENCH_REDIS"]
QUEUE = "bench"
IDLE_QUEUE = "idle"

app = Celery("bench", broker=URL, backend=URL)
app.conf.update(
    task_acks_late=True,
    task_default_queue=QUEUE,
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=int(os.environ["BENCH_PREFETCH"]),
    worker_send_task_events=False,
    worker_enable_remote_control=True,
    task_track_started=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)

_job: Job | None = None


@worker_process_init.connect  # type: ignore[untyped-decorator]
def load(**_: Any) -> None:
    """Load the model in a worker process, and say so."""
    global _job
    _job = Job(os.environ["BENCH_ANALYZER"], int(os.environ["BENCH_THREADS"]))
    with redis.Redis.from_url(URL) as client:
        client.incr(READY_KEY)


@app.task(name="judge", bind=True)  # type: ignore[untyped-decorator]
def judge(self: Task, key: str, size: int, sha256: str) -> dict[str, Any]:
    """Judge a file; the verdict goes to the result backend."""
    assert _job is not None
    began = time.time()
    verdict = _job.run(self.request.id, key, size, sha256)
    return {**verdict, "began": began, "ended": time.time()}
