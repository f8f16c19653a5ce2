"""No queue at all: `python -m bench.bare_measure lone ORDER` calls a task's code as a function. See `measuring`.

What a queue's lone file takes beyond this is the queue's.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench.job import Job
from bench.measuring import Order


def lone(order: Order) -> dict[str, Any]:
    """One file after the other, downloaded and judged in this process."""
    os.environ |= {"OMP_NUM_THREADS": str(order.threads), "OMP_WAIT_POLICY": "passive"}
    job, took = Job(order.analyzer, order.threads), []
    for key, size, sha256 in order.files:
        began = time.perf_counter()
        verdict = job.run("lone", key, size, sha256)
        took.append(time.perf_counter() - began)
        assert verdict["label"]
    return {"files": len(took), "failed": 0, "latencies": took}


if __name__ == "__main__":
    print(json.dumps(lone(Order.read(Path(sys.argv[2])))), flush=True)
