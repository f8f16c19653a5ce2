"""Carries out a Dockerfile's steps in a folder, where no container engine is there.

Every stage gets a folder as its root, and absolute paths of the image are turned into paths in it. The base image is
this machine with this Python. Users are not made, and nothing is kept from seeing the machine: this shows that the
steps install what the service needs and that its command runs, not that it is shut in.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from support.deployment import ROOT, Stage

# Folders that our Dockerfiles write to.
IN_IMAGE = re.compile(r"(?<![\w.}/-])/(?=(opt|build|var/lib/assay)(/|\b))")

SHIMS = {
    "useradd": "exit 0",
    "install": 'for last; do :; done; mkdir -p "$last"',
}


class Replay:
    """The stages of one Dockerfile, carried out in order below `folder`."""

    def __init__(self, stages: list[Stage], folder: Path) -> None:
        self._stages = stages
        self._folder = folder
        self._tools = folder / "tools"
        self._tools.mkdir()
        (self._tools / "python").symlink_to(sys._base_executable)  # type: ignore[attr-defined]
        for name, script in SHIMS.items():
            path = self._tools / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)

    def run(self) -> "Image":
        """Raises AssertionError with the output of the step that fails."""
        for number, stage in enumerate(self._stages):
            root = self._root(number)
            root.mkdir()
            place, environment = root, self._environment({})
            for word, text in stage.instructions:
                if word == "WORKDIR":
                    place = Path(self.inside(text, root))
                    place.mkdir(parents=True, exist_ok=True)
                elif word == "COPY":
                    self._copy(text, root, place)
                elif word == "RUN":
                    self._step(self.inside(text, root), place, environment)
        return Image(self._stages[-1], self._root(len(self._stages) - 1), self._environment)

    def _root(self, number: int) -> Path:
        return self._folder / f"stage{number}"

    @staticmethod
    def inside(text: str, root: Path) -> str:
        """Absolute paths of the image as paths in a stage's root."""
        return IN_IMAGE.sub(f"{root}/", text)

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        kept = {name: text for name, text in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTP", "HOME"))}
        return {**kept, "PATH": f"{self._tools}:/usr/bin:/bin", **more}

    def _copy(self, text: str, root: Path, place: Path) -> None:
        *sources, target = text.split()
        if sources[0].startswith("--from="):
            number = [stage.name for stage in self._stages].index(sources.pop(0).removeprefix("--from="))
            origin, destination = Path(self.inside(sources[0], self._root(number))), Path(self.inside(target, root))
            shutil.copytree(origin, destination, symlinks=True)
            return
        ignored = [line.removeprefix("**/") for line in (ROOT / ".dockerignore").read_text().split() if "**/" in line]
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place / target, ignore=shutil.ignore_patterns(*ignored))
            else:
                shutil.copy(ROOT / source, place / target)

    @staticmethod
    def _step(command: str, place: Path, environment: dict[str, str]) -> None:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=place,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}"


class Image:
    """What the last stage left: a root folder, an environment and a command."""

    def __init__(self, stage: Stage, root: Path, environment: Callable[[dict[str, str]], dict[str, str]]) -> None:
        self.root = root
        self._stage = stage
        said = {name: Replay.inside(text, root) for name, text in stage.environment.items()}
        path = said.pop("PATH").removesuffix(":$PATH")
        base = environment(said)
        self.environment = {**base, "PATH": f"{path}:{base['PATH']}"}

    @property
    def packages(self) -> Path:
        """The folder of installed packages."""
        return next((self.root / "opt/assay/lib").glob("python3.*/site-packages"))

    def start(self, more: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
        """The container's process, with these variables more."""
        with log.open("wb") as out:
            return subprocess.Popen(
                [self._program(self._stage.command[0]), *self._stage.command[1:]],
                cwd=self.root,
                env={**self.environment, **more},
                stdout=out,
                stderr=out,
            )

    def is_healthy(self, port: str) -> bool:
        """What HEALTHCHECK says, asked at another port than the image's."""
        _, _, text = self._stage.all("HEALTHCHECK")[-1].partition(" CMD ")
        program, *arguments = json.loads(text)
        arguments = [each.replace(self.environment["ASSAY_HTTP__PORT"], port) for each in arguments]
        done = subprocess.run(
            [self._program(program), *arguments], env=self.environment, capture_output=True, check=False
        )
        return done.returncode == 0

    def _program(self, name: str) -> str:
        return str(shutil.which(name, path=self.environment["PATH"]))
