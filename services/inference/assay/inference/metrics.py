"""The inference service's own metrics, each once, with unit and meaning."""

from prometheus_client import Counter, Gauge, Histogram

ANALYSES = Counter(
    "assay_analyses_total", "Analyses that ended: completed, or the code they failed with", ["analyzer", "outcome"]
)
STAGE_SECONDS = Histogram(
    "assay_analysis_stage_seconds",
    "Time of one stage of an analysis, its waiting included",
    ["analyzer", "stage"],
    buckets=(0.002, 0.01, 0.05, 0.2, 1, 5, 20, 60, 300),
)
BATCH_ITEMS = Histogram(
    "assay_batch_items", "Files in one pass through the device", ["analyzer"], buckets=(1, 2, 4, 8, 16, 32)
)
CACHE = Counter("assay_file_cache_total", "Files asked of the disk cache", ["outcome"])
CHILDREN_LOST = Counter("assay_sandbox_children_lost_total", "Child processes that died or were killed", ["analyzer"])
REUSED = Counter(
    "assay_verdicts_reused_total", "Verdicts taken over from an earlier run on the same bytes", ["analyzer"]
)
DERIVED = Counter(
    "assay_derived_files_total",
    "Files found inside others: announced, or left_out by the limits",
    ["analyzer", "outcome"],
)
ANALYZERS_UP = Gauge("assay_analyzer_up", "1 while the analyzer takes work in this process", ["analyzer", "version"])
