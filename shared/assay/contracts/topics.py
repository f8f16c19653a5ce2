"""Every topic, once: how it is made, what it is for. Partition counts never change."""

from dataclasses import dataclass, field

DAY_MS = 24 * 60 * 60 * 1000
MAX_EVENT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic. `config` holds the topic-level settings, as Kafka names them."""

    name: str
    title: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


def _log(days: int) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(days * DAY_MS),
        # What is old enough goes by whole segments: so it is gone a day later at the latest.
        "segment.ms": str(DAY_MS),
        "max.message.bytes": str(2 * MAX_EVENT_BYTES),
    }


def _table(tombstone_days: int) -> dict[str, str]:
    return {
        "cleanup.policy": "compact",
        "delete.retention.ms": str(tombstone_days * DAY_MS),
        # What a later record or a tombstone replaced is gone after so long, however little is written.
        "max.compaction.lag.ms": str(7 * DAY_MS),
        "max.message.bytes": str(2 * MAX_EVENT_BYTES),
    }


FILES = Topic("assay.files", "Files and runs that people wait for", 12, _log(30))
FILES_BULK = Topic("assay.files.bulk", "Files and runs that can wait: backfills, re-runs, whole folders", 12, _log(30))
ANALYSES = Topic("assay.analyses", "All that happens to a file, in order", 12, _log(30))
VERDICTS = Topic("assay.verdicts", "The latest report of each file; a tombstone when it is deleted", 12, _table(30))
ANALYZERS = Topic("assay.analyzers", "The analyzers at work, by name; a tombstone retires one", 1, _table(30))
DEAD_LETTERS = Topic("assay.dead-letters", "Records that a consumer gave up on, as they were", 3, _log(30))

LANES = (FILES, FILES_BULK)
ALL = (FILES, FILES_BULK, ANALYSES, VERDICTS, ANALYZERS, DEAD_LETTERS)
