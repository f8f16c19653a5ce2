"""compose.yaml and the Dockerfiles, read as a container engine reads them."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
OURS = ("upload", "inference", "results", "notify")
INTERPOLATION = re.compile(r"\$\{(?P<name>\w+):-(?P<default>[^${}]*)\}")

Compose = dict[str, Any]


def interpolate(value: Any, environ: dict[str, str]) -> Any:
    """Put `${NAME:-default}` in place in every text, inner ones first."""
    if isinstance(value, dict):
        return {name: interpolate(each, environ) for name, each in value.items()}
    if isinstance(value, list):
        return [interpolate(each, environ) for each in value]
    count = 1 if isinstance(value, str) else 0
    while count:
        value, count = INTERPOLATION.subn(lambda each: environ.get(each["name"]) or each["default"], value)
    return value


def read_compose(environ: dict[str, str] | None = None) -> Compose:
    """compose.yaml with its variables in place."""
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    loaded: Compose = interpolate(yaml.safe_load(text), environ or {})
    return loaded


@dataclass
class Stage:
    """One FROM of a Dockerfile: its instructions in order, continuation lines joined."""

    base: str
    name: str | None
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, word: str) -> list[str]:
        """The arguments of every instruction of this kind."""
        return [text for kind, text in self.instructions if kind == word]

    @property
    def environment(self) -> dict[str, str]:
        """What ENV sets."""
        return dict(part.split("=", 1) for text in self.all("ENV") for part in shlex.split(text))

    @property
    def command(self) -> list[str]:
        """CMD, in its JSON form."""
        loaded: list[str] = json.loads(self.all("CMD")[-1])
        return loaded


def read_dockerfile(path: Path) -> list[Stage]:
    """The stages of a Dockerfile."""
    text = re.sub(r"\\\n", " ", "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#")))
    stages: list[Stage] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages.append(Stage(base, name or None))
        else:
            stages[-1].instructions.append((word, rest.strip()))
    return stages


def dockerfile_of(service: str) -> list[Stage]:
    return read_dockerfile(ROOT / "services" / service / "Dockerfile")
