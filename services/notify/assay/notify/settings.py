"""What the notify service reads from the environment."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from assay.notify.webhooks.settings import WebhookSettings
from assay.shared.settings import AuthSettings, Block, DatabaseSettings, ServiceSettings


class RingSettings(Block):
    """How much of the log's end is kept in memory."""

    max_events: int = Field(default=20_000, ge=1, description="Latest events kept in memory")
    max_bytes: int = Field(default=64 * 1024 * 1024, ge=1024, description="Bytes of events kept in memory")
    minutes: float = Field(default=30.0, ge=0, description="How far back Kafka is read at start, at most")
    deletions_hours: float = Field(
        default=24.0,
        ge=0,
        description="How far back deletions are looked for at start: as long as a run may take, so that late news "
        "of a deleted file reaches nobody",
    )
    deletions_records: int = Field(
        default=200_000, ge=0, description="Records that are looked at for deletions at start, at most"
    )


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


class CorsSettings(Block):
    """Pages of other origins that may read streams."""

    origins: str = Field(
        default="",
        description="Origins whose pages may listen, separated by commas: https://desk.example,http://localhost:5173. "
        "None by default: only pages of Assay's own origin",
    )

    @field_validator("origins")
    @classmethod
    def _names_origins(cls, value: str) -> str:
        for each in _listed(value):
            parts = urlsplit(each)
            if (
                parts.scheme not in ("http", "https")
                or not parts.hostname
                or each != f"{parts.scheme}://{parts.netloc}"
            ):
                raise ValueError(f"{each!r} is no origin: write scheme://host or scheme://host:port, without a path")
        return value

    @property
    def allowed(self) -> list[str]:
        """The origins, as browsers write them."""
        return _listed(self.origins)


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


class Settings(ServiceSettings):
    """All of it."""

    auth: AuthSettings
    database: DatabaseSettings
    results_url: str = Field(description="Where the results service listens, inside: http://host:port")
    heartbeat: float = Field(default=15.0, gt=0, description="Seconds of silence before a stream says that it lives")
    cors: CorsSettings = Field(default_factory=CorsSettings)
    ring: RingSettings = Field(default_factory=RingSettings)
    reader: ReaderSettings = Field(default_factory=ReaderSettings)
    replay: ReplaySettings = Field(default_factory=ReplaySettings)
    webhooks: WebhookSettings = Field(default_factory=WebhookSettings)
