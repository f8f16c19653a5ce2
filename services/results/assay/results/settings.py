"""Typed configuration of the results service."""

from pydantic import Field, SecretStr

from assay.shared.settings import AuthSettings, DatabaseSettings, S3Settings, ServiceSettings


class Settings(ServiceSettings):
    """What the results service reads from the environment."""

    s3: S3Settings
    database: DatabaseSettings
    auth: AuthSettings
    replica_url: SecretStr | None = Field(
        default=None,
        description="A hot standby of the database, as ASSAY_DATABASE__URL names the primary: exports, statistics and "
        "confusion tables are read there, which may be some seconds behind. Not set: they are read from the primary",
    )
    public_url: str = Field(
        default="http://localhost:8080", description="The origin that people use; every link begins with it"
    )
    peers: dict[str, list[str]] = Field(
        default_factory=dict,
        description='Internal addresses of the other services for readiness and OpenAPI: {"upload": ["http://…"], …}',
    )
    window: int = Field(default=8, ge=1, le=1000, description="Batches of records in work at once")
    sweep_seconds: float = Field(
        default=5.0, gt=0, le=3600, description="How often runs past their deadline are sought"
    )
    keep_analyses_months: int | None = Field(
        default=None,
        ge=2,
        le=1200,
        description="Full months whose analyses are kept besides the present one; older ones are dropped, while their "
        "reports stay. Not set: all are kept",
    )
