"""What resumable uploads count."""

from prometheus_client import Counter

CREATED = Counter("assay_resumable_uploads_total", "Resumable uploads begun, by kind: tus or presigned", ["kind"])
ENDED = Counter(
    "assay_resumable_uploads_ended_total", "Resumable uploads that have ended, by what became of them", ["status"]
)
READ_AGAIN = Counter(
    "assay_resumable_uploads_read_again_total", "Finished objects read once more, as their hash was not made on the way"
)
