"""`python -m bench [ROW]`, with tests/ on the path; `make bench ONLY=row`.

Prints what is tried, then a table, and writes bench.json into ASSAY_HOME (.assay). Exit status 0: all was measured,
whether it meets its aim or not; 1: a row could not be measured; 2: something is missing that the rows need, or nothing
is called ROW.
"""

import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Coroutine

import uvloop

from bench.consumer import long_record, parallel_consumer, parallel_consumer_short
from bench.engine import engine_efficiency, engine_efficiency_light
from bench.gain import engine_batching_gain
from bench.installation import MissingError
from bench.notify import NOTIFY, notify
from bench.product import OVERHEAD, interactive_under_backfill, overhead
from bench.queries import NAMES, queries
from bench.queues import latency, throughput, throughput_heavy
from bench.results import results_persist
from bench.rows import Row, keep, show
from bench.scale import Scale
from bench.synthetic import SYNTHETIC, synthetic_image
from bench.uploads import UPLOADS, uploads
from bench.workplace import HOME, Workplace, workplace

Measure = Callable[[Workplace], Coroutine[None, None, list[Row]]]

MEASURES: dict[tuple[str, ...], Measure] = {
    ("parallel_consumer", "parallel_consumer_with_failures"): parallel_consumer,
    ("parallel_consumer_short", "parallel_consumer_short_with_failures"): parallel_consumer_short,
    ("long_record",): long_record,
    ("engine_efficiency",): engine_efficiency,
    ("engine_efficiency_light",): engine_efficiency_light,
    ("engine_batching_gain",): engine_batching_gain,
    SYNTHETIC: synthetic_image,
    OVERHEAD: overhead,
    ("interactive_under_backfill",): interactive_under_backfill,
    UPLOADS: uploads,
    ("results_persist",): results_persist,
    NAMES: queries,
    NOTIFY: notify,
    ("celery_throughput", "karton_throughput"): throughput,
    ("celery_throughput_heavy", "karton_throughput_heavy"): throughput_heavy,
    ("celery_latency", "karton_latency"): latency,
}


def main(arguments: list[str]) -> int:
    """Measure all rows, or those that are made together with the one that is named. Returns the exit status."""
    only = arguments[0] if arguments else os.environ.get("ONLY", "")
    chosen = {names: measure for names, measure in MEASURES.items() if only == "" or only in names}
    if not chosen:
        return _refuse(
            f"There is no row {only!r}. There are: {', '.join(name for names in MEASURES for name in names)}."
        )
    try:
        scale = Scale.from_environment()
    except ValueError as error:
        return _refuse(f"A variable BENCH_… is no number: {error}")
    # Kafka's client warns at each connection that the embedded stack does without TLS.
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {scale}", flush=True)
    # What a row has started is stopped at Ctrl-C; let SIGTERM do the same.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rows: list[Row] = []
    with workplace(scale, only) as place:
        missing = ""
        for names, measure in chosen.items():
            try:
                rows += _measured(names, measure, place)
            except MissingError as error:
                missing = str(error)
    if rows:
        show(rows)
        path = HOME / "bench.json"
        keep(rows, path)
        print(f"Written to {path}")
    if missing:
        return _refuse(missing)
    return int(any(row.failed for row in rows))


def _measured(names: tuple[str, ...], measure: Measure, place: Workplace) -> list[Row]:
    print(f"{', '.join(names)} …", flush=True)
    began = time.monotonic()
    try:
        # The event loop that the services run on.
        rows = uvloop.run(measure(place))
    except MissingError:
        raise
    except Exception as error:  # whatever went wrong, the other rows are measured
        traceback.print_exc()
        reason = (str(error).splitlines() or [""])[0][:120]
        wanted = [name for name in names if place.wants(name)]
        return [Row(name, None, "", 0, note=f"{type(error).__name__}: {reason}", failed=True) for name in wanted]
    place.say(f"took {time.monotonic() - began:.0f} s")
    return rows


def _refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
