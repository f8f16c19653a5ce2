"""What the inference service can be told."""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from assay.shared.settings import Block, S3Settings, ServiceSettings


def cores() -> int:
    """CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class CacheSettings(Block):
    """Where files lie while they are examined."""

    path: Path = Field(
        default=Path(".assay/cache"), description="Folder of downloaded files, shared by a host's workers"
    )
    max_mb: int = Field(default=4096, ge=1, description="Megabytes kept; the longest unused go first")


class ModelSettings(Block):
    """Where the analyzers' weights lie, and where they come from."""

    path: Path = Field(default=Path(".assay/models"), description="Folder with the weights of analyzers")
    url: str | None = Field(
        default=None,
        description="Where `assay models pull` gets weights from, instead of their own addresses: https://…, "
        "s3://bucket/prefix or file:///folder",
    )


class SandboxSettings(Block):
    """The child processes that decode files."""

    processes: int = Field(
        default=0, ge=0, le=64, description="For each analyzer, and one more for people's files alone; 0: all cores"
    )
    memory_mb: int = Field(default=2048, ge=64, description="Megabytes that one may take for one file (Linux)")


class DerivedSettings(Block):
    """How much is looked at of what is inside files."""

    max_depth: int = Field(default=3, ge=0, le=16, description="So deep inside one another; 0: nothing inside files")
    max_files: int = Field(default=100, ge=1, le=1000, description="Files that one analysis takes out of one file")
    max_mb: int = Field(
        default=512,
        ge=1,
        description="Megabytes of these files together; at most half of ASSAY_SANDBOX__MEMORY_MB",
    )
    tree_files: int = Field(
        default=1000, ge=1, le=100_000, description="Files inside an uploaded one, at all depths together"
    )
    tree_mb: int = Field(default=2048, ge=1, description="Megabytes of all these files together")


class EngineSettings(Block):
    """How work goes through the device."""

    batch_max_items: int = Field(default=8, ge=1, le=256, description="Files in one pass of an analyzer")
    batch_max_wait_ms: int = Field(
        default=20,
        ge=0,
        le=10_000,
        description="Without CUDA, how long a batch that is not full waits for files that are being prepared",
    )
    bulk_batch_ms: int = Field(
        default=100, ge=1, le=60_000, description="How long a batch of bulk work may hold up people's on the device"
    )
    torch_threads: int = Field(default=0, ge=0, le=256, description="CPU threads of torch; 0: all cores")
    max_attempts: int = Field(default=8, ge=1, le=20, description="Tries of one analysis before it fails for good")
    drain_s: float = Field(default=8.0, gt=0, le=300, description="Seconds that running analyses get at SIGTERM")


class Settings(ServiceSettings):
    """Everything that the service reads from the environment."""

    s3: S3Settings
    cache: CacheSettings = Field(default_factory=CacheSettings)
    models: ModelSettings = Field(default_factory=ModelSettings)
    sandbox: SandboxSettings = Field(default_factory=SandboxSettings)
    derived: DerivedSettings = Field(default_factory=DerivedSettings)
    engine: EngineSettings = Field(default_factory=EngineSettings)
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto: CUDA where it is")
    device_memory_mb: int = Field(
        default=0,
        ge=0,
        description="Megabytes of the device for all analyzers together, by what they declare; 0: nine tenths of it",
    )
    analyzers: str = Field(default="", description="Names of those to run, comma separated; empty: all installed")
    analyzer: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="An analyzer's own settings, as ASSAY_ANALYZER__<NAME>__<FIELD>"
    )

    @property
    def chosen(self) -> tuple[str, ...]:
        """The analyzers that were asked for by name; none: all."""
        return tuple(name.strip() for name in self.analyzers.split(",") if name.strip())

    @property
    def sandbox_processes(self) -> int:
        """Child processes of each analyzer."""
        return self.sandbox.processes or cores()

    @property
    def torch_threads(self) -> int:
        """CPU threads of torch."""
        return self.engine.torch_threads or cores()
