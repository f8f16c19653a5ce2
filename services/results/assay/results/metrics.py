"""Each metric of the results service, once, with unit and meaning."""

from prometheus_client import Counter, Histogram

RUNS_CONCLUDED = Counter("assay_results_runs_concluded_total", "Runs whose report was made", ["status", "label"])
RUN_SECONDS = Histogram(
    "assay_results_run_seconds",
    "From a run's request to its last verdict",
    buckets=(0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 86400),
)
ANALYSES_TIMED_OUT = Counter("assay_results_timed_out_total", "Analyses given up at their run's deadline", ["analyzer"])
ALREADY_RECORDED = Counter(
    "assay_results_already_recorded_total", "Records whose effect was in the tables already", ["topic"]
)
