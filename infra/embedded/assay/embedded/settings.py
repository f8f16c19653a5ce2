"""Settings of the stack itself. Those of the services are in each service's own `settings.py`."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Scale(BaseModel):
    """How many processes of each service run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    upload: int = Field(default=1, ge=1, le=16, description="Processes of upload")
    inference: int = Field(default=1, ge=1, le=16, description="Processes of inference")
    results: int = Field(default=1, ge=1, le=16, description="Processes of results")
    notify: int = Field(default=1, ge=1, le=16, description="Processes of notify")


class StackSettings(BaseSettings):
    """What the embedded stack reads from the environment."""

    model_config = SettingsConfigDict(
        env_prefix="ASSAY_", env_nested_delimiter="__", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    home: Path = Field(default=Path(".assay"), description="Folder with the data, credentials and logs of the stack")
    port: int = Field(default=8080, ge=1, le=65535, description="Port of the gateway")
    public_url: str | None = Field(default=None, description="Origin people use; empty: http://localhost:<port>")
    token: SecretStr | None = Field(default=None, description="Bearer token of the command line; empty: <home>/token")
    scale: Scale = Field(default_factory=Scale)
    test_stack: Literal["embedded", "containers"] = Field(
        default="embedded", description="What `make test` runs on: this stack, or containers where Docker is there"
    )
    data: Path | None = Field(default=None, description="Folder with the pictures that `make eval` reads")
