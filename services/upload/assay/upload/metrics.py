"""What the upload service counts."""

from prometheus_client import Counter, Gauge

UPLOADS = Counter("assay_uploads_total", "Files accepted", ["topic"])
RUNS = Counter("assay_runs_requested_total", "Further runs requested, of files that were here", ["topic"])
KNOWN = Counter("assay_uploads_known_total", "Uploads of bytes that their owner had uploaded before")
UPLOAD_BYTES = Counter("assay_upload_bytes_total", "Bytes of the files accepted")
REFUSED = Counter("assay_uploads_refused_total", "Files and requests refused, by the code of the problem", ["code"])
RECEIVING = Gauge("assay_uploads_receiving", "Requests whose bytes are arriving now")
SWEPT = Counter("assay_uploads_swept_total", "Unfinished uploads of processes that died, removed")
ERASED = Counter("assay_files_erased_total", "Files erased, those found inside others included")
ERASED_OBJECTS = Counter("assay_erased_objects_total", "Objects of erased files removed from storage")
QUEUE_AGE = Gauge("assay_queue_age_seconds", "Age of the oldest record that an analyzer has not finished", ["topic"])
ANALYZERS = Gauge("assay_analyzers_known", "Analyzers in the catalog")
