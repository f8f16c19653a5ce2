"""Each metric of webhooks, once, with unit and meaning."""

from prometheus_client import Counter, Gauge, Histogram

RECORDED = Counter("assay_notify_webhook_deliveries_total", "Deliveries written down, one for an event and webhook")
ATTEMPTS = Counter("assay_notify_webhook_attempts_total", "Attempts to deliver, by how they ended", ["outcome"])
SECONDS = Histogram(
    "assay_notify_webhook_attempt_seconds", "One attempt, its answer included", buckets=(0.01, 0.05, 0.2, 1, 5, 15)
)
IN_FLIGHT = Gauge("assay_notify_webhook_attempts_in_flight", "Attempts under way")
DISABLED = Counter("assay_notify_webhooks_disabled_total", "Webhooks that were disabled, by reason", ["reason"])
