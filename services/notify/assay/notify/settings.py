"""What the notify service reads from the environment."""

from pydantic import Field

from assay.shared.settings import AuthSettings, Block, ServiceSettings


class RingSettings(Block):
    """How much of the log's end is kept in memory."""

    max_events: int = Field(default=20_000, ge=1, description="Latest events kept in memory")
    max_bytes: int = Field(default=64 * 1024 * 1024, ge=1024, description="Bytes of events kept in memory")
    minutes: float = Field(default=30.0, ge=0, description="How far back Kafka is read at start, at most")


class ReaderSettings(Block):
    """What one reader may cost."""

    max_events: int = Field(default=2_000, ge=1, description="Events that wait for a slow reader; then it is cut off")
    max_bytes: int = Field(default=4 * 1024 * 1024, ge=1024, description="Bytes that wait for a slow reader")


class ReplaySettings(Block):
    """What a reader's old position may cost."""

    readers: int = Field(default=2, ge=1, le=16, description="Kafka consumers that replays share")
    max_records: int = Field(default=50_000, ge=0, description="Records that one replay may look at")
    max_bytes: int = Field(default=16 * 1024 * 1024, ge=1024, description="Bytes of events that one replay may find")
    timeout: float = Field(default=10.0, gt=0, description="Seconds for one replay, waiting for a consumer included")


class Settings(ServiceSettings):
    """All of it."""

    auth: AuthSettings
    results_url: str = Field(description="Where the results service listens, inside: http://host:port")
    heartbeat: float = Field(default=15.0, gt=0, description="Seconds of silence before a stream says that it lives")
    ring: RingSettings = Field(default_factory=RingSettings)
    reader: ReaderSettings = Field(default_factory=ReaderSettings)
    replay: ReplaySettings = Field(default_factory=ReplaySettings)
