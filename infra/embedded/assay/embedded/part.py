"""What the stack expects of Kafka, PostgreSQL, S3 and the gateway."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from assay.embedded.process import Program

Say = Callable[[str], None]


class Part(ABC):
    """One server of the stack. All methods may be called again after a restart of it."""

    name: ClassVar[str]
    port_names: ClassVar[tuple[str, ...]]
    """The ports it listens on, by name; free and known before `prepare`."""

    @abstractmethod
    def prepare(self, say: Say) -> None:
        """Write its configuration and make its data folder. May take seconds; says what it downloads."""

    @abstractmethod
    def program(self) -> Program:
        """How to run it."""

    @abstractmethod
    def is_ready(self) -> bool:
        """True once it answers as a client needs it."""

    def finish(self) -> None:  # noqa: B027 - most have nothing to do
        """Make what clients expect to find in it: roles, buckets. Called once it is ready, at every start."""

    def tidy(self) -> None:  # noqa: B027
        """Remove what it leaves outside the home. Called before its start and after its end."""

    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """The `ASSAY_…` lines with which a client reaches it."""


def plain_environment(home: Path, **more: str) -> dict[str, str]:
    """What a part sees of the environment: nothing of the user's settings, and no folder of the user's."""
    kept = {name: os.environ[name] for name in ("PATH", "TZ", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": str(home), "LANG": "C", **more}
