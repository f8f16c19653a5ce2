"""Each metric of the notify service, once, with unit and meaning."""

from prometheus_client import Counter, Gauge

READERS = Gauge("assay_notify_readers", "Streams open now", ["stream"])
STREAMS = Counter("assay_notify_streams_total", "Streams begun, by how", ["stream", "begun"])
DELIVERED = Counter("assay_notify_delivered_total", "Events handed to readers; one event counts for each reader")
TASKS = Gauge("assay_notify_tasks", "Tasks of the event loop: a stream has one while it begins, none while it is open")
CUT_OFF = Counter("assay_notify_cut_off_total", "Readers cut off because they read too slowly")
SKIPPED = Counter("assay_notify_skipped_total", "Records that are no event for a stream", ["topic"])
RING_EVENTS = Gauge("assay_notify_ring_events", "Events kept in memory")
RING_BYTES = Gauge("assay_notify_ring_bytes", "Bytes of events kept in memory")
REPLAYS = Counter("assay_notify_replays_total", "Reads from Kafka for a reader's old position", ["outcome"])
REPLAYED = Counter("assay_notify_replayed_records_total", "Records that replays looked at")
