"""Where the weights of analyzers lie on this machine, and whether they are what the manifests declare.

<models>/<sha256>/<name>    put there by `assay models pull`
<models>/<name>             put there by hand
<models>/<folder>/<name>    the same, where somebody keeps the files of each network together
in the analyzer's package   declared with `url="package:module/path"`
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path

import structlog

from assay.contracts import AnalyzerManifest, Weights
from assay.sdk.packed import SCHEME, packed

log = structlog.get_logger(__name__)

_PULLED = re.compile(r"[0-9a-f]{64}")

REINSTALL = "install the analyzer's package again"


class WeightsError(OSError):
    """An analyzer cannot have its weights. The text is one line that says what helps."""

    state = "unreadable"


class WeightsMissingError(WeightsError):
    """They are not on this machine."""

    state = "missing"


class WeightsWrongError(WeightsError):
    """What lies there is something else."""

    state = "wrong"


@dataclass(frozen=True, slots=True)
class Checked:
    """The sha256 of a file, as of one state of it."""

    sha256: str
    state: tuple[int, ...]


class Checks:
    """Remembers hashes, so that unchanged gigabytes are read once and not at every start: one small file for each."""

    def __init__(self, folder: Path) -> None:
        """folder: nobody else may write there; made when it is needed."""
        self._folder = folder.absolute()

    def __call__(self, path: Path) -> str:
        """The hash of the file's content. Raises OSError where it cannot be read."""
        path = path.resolve()
        state = _state(path)
        memory = self._folder / hashlib.sha256(os.fsencode(path)).hexdigest()
        known = _remembered(memory)
        if known is not None and known.state == state:
            return known.sha256
        sha256 = sha256_of(path)
        if _state(path) == state:
            self._remember(memory, Checked(sha256, state))
        return sha256

    def _remember(self, memory: Path, checked: Checked) -> None:
        # A folder that cannot be written costs time at the next start, and nothing else.
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = memory.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps([checked.sha256, *checked.state]), encoding="ascii")
            draft.replace(memory)


class ModelStore:
    """The weights on this machine."""

    def __init__(self, folder: Path, sha256: Callable[[Path], str]) -> None:
        """folder: ASSAY_MODELS__PATH.  sha256: of a file's content: `sha256_of`, or a `Checks`, which remembers."""
        self.folder = folder.absolute()
        self._sha256 = sha256

    def place(self, weights: Weights) -> Path:
        """Where pulled weights lie. Raises WeightsMissingError for a name that is no file name."""
        if Path(weights.name).name != weights.name or weights.name in ("", ".."):
            raise WeightsMissingError(f"{weights.name!r} is no name of a file; its manifest is wrong")
        return self.folder / weights.sha256 / weights.name

    def find(self, analyzer: str, weights: Weights) -> Path:
        """The verified file. Raises WeightsMissingError, or WeightsWrongError where only another content is there."""
        wrong = None
        for path in self._candidates(weights):
            if not path.is_file():
                continue
            if self._sha256(path) == weights.sha256:
                return path
            wrong = wrong or path
        if wrong is not None:
            raise WeightsWrongError(
                f"{wrong} has not the sha256 {weights.sha256} of the weights {weights.name}; "
                + (REINSTALL if is_packed(weights) else f"remove it and run `assay models pull {analyzer}`")
            )
        raise WeightsMissingError(
            f"the weights {weights.name} (sha256 {weights.sha256}) are not in {self.folder}; "
            f"run `assay models pull {analyzer}`"
        )

    def find_all(self, manifest: AnalyzerManifest) -> dict[str, Path]:
        """What `Analyzer.weights` is set to. Raises as `find` does, but not for optional weights that are missing.

        Each of those is told in one line of the log, and left out.
        """
        found = {}
        for weights in manifest.weights:
            try:
                found[weights.name] = self.find(manifest.name, weights)
            except WeightsMissingError as error:
                if weights.required:
                    raise
                log.info("optional_weights_missing", analyzer=manifest.name, weights=weights.name, reason=str(error))
        return found

    def _candidates(self, weights: Weights) -> Iterator[Path]:
        try:
            inside = packed(weights)
        except FileNotFoundError as error:
            raise WeightsMissingError(f"{error}; {REINSTALL}") from error
        if inside is not None:
            yield inside
            return
        place = self.place(weights)
        yield place
        yield self.folder / place.name
        # What was pulled for other analyzers is none of it, whatever its name.
        yield from sorted(
            path for path in self.folder.glob(f"*/{escape(place.name)}") if not _PULLED.fullmatch(path.parent.name)
        )


def is_packed(weights: Weights) -> bool:
    """True where they lie in the analyzer's own package, so that there is nothing to fetch."""
    return weights.url is not None and weights.url.startswith(SCHEME)


def sha256_of(path: Path) -> str:
    """The hash of a file's content, read now."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _state(path: Path) -> tuple[int, ...]:
    """Changes whenever somebody writes the file or puts another one in its place."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _remembered(memory: Path) -> Checked | None:
    try:
        sha256, *state = json.loads(memory.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return Checked(sha256, tuple(state))
