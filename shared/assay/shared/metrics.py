"""Each metric that the services share, once, with unit and meaning. A service's own are in its `metrics.py`."""

from prometheus_client import Counter, Gauge, Histogram

HTTP_REQUESTS = Counter("assay_http_requests_total", "HTTP requests answered", ["method", "route", "status"])
HTTP_SECONDS = Histogram("assay_http_request_seconds", "From request to the start of its answer", ["method", "route"])

CONSUMED = Counter("assay_consumed_total", "Records whose handler ended", ["group", "topic", "outcome"])
IN_FLIGHT = Gauge("assay_in_flight", "Records that a handler has", ["group"])
HANDLER_SECONDS = Histogram(
    "assay_handler_seconds",
    "From a record's first start to its end, retries included",
    ["group"],
    buckets=(0.002, 0.01, 0.05, 0.2, 1, 5, 20, 60, 300),
)
DEAD_LETTERS = Counter("assay_dead_letters_total", "Records given up on", ["group", "topic"])
PUBLISHED = Counter("assay_published_total", "Events sent to Kafka and acknowledged", ["topic", "type"])
OUTBOX_PENDING = Gauge("assay_outbox_pending", "Outbox rows not yet sent, as the sender last saw them")
