"""The broker's jars: fetched once by jgo from the Maven registry, checked against `kafka.lock`.

The lock was written from `jgo`'s resolution of `org.apache.kafka:kafka_2.13` plus `log4j-slf4j-impl`, without which
the broker logs nothing. They lie beside the packages of this environment, so every home of a checkout shares them and
nothing is read from, or written to, a user's own folders.
"""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assay.embedded.errors import StackError

if TYPE_CHECKING:
    from jgo.maven import MavenContext

VERSION = "4.1.2"
LOCK = Path(__file__).with_name("kafka.lock")
TRIES = 3


@dataclass(frozen=True)
class Jar:
    """One line of the lock."""

    group: str
    name: str
    version: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}.jar"


def locked_jars() -> list[Jar]:
    """What the broker needs."""
    jars = []
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        coordinate, size, digest = line.split()
        group, name, version = coordinate.split(":")
        jars.append(Jar(group, name, version, int(size), digest.removeprefix("sha256:")))
    return jars


def folder() -> Path:
    """Where the jars of this version lie."""
    return Path(sys.prefix) / "share" / "assay" / f"kafka-{VERSION}"


def ensure(say: Callable[[str], None]) -> Path:
    """Download what is missing and return the folder of the jars. `say` gets lines of progress.

    Safe to be called by several processes at once. Raises StackError when the registry cannot be reached.
    """
    target = folder()
    if not _missing(target):
        return target
    try:
        target.mkdir(parents=True, exist_ok=True)
        with _locked(target / ".lock"):
            missing = _missing(target)
            if missing:
                _download(missing, target, say)
    except OSError as error:
        raise StackError(f"cannot put Kafka's files into {target}: {error.strerror or error}") from error
    return target


def _missing(target: Path) -> list[Jar]:
    return [jar for jar in locked_jars() if not _is_whole(target / jar.file_name, jar)]


def _download(jars: list[Jar], target: Path, say: Callable[[str], None]) -> None:
    # Here and not at the top: needed once in the life of a checkout, and slow to import.
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    # jgo asks through `requests`, which knows an organisation's own CA by another name than Python itself does.
    if "SSL_CERT_FILE" in os.environ:
        os.environ.setdefault("REQUESTS_CA_BUNDLE", os.environ["SSL_CERT_FILE"])
    total = sum(jar.size for jar in jars)
    say(f"downloading Apache Kafka {VERSION}: {len(jars)} files, {total / 1e6:.0f} MB")
    cache = target / ".download"
    context = MavenContext(repo_cache=cache, local_repos=[], remote_repos={"central": MAVEN_CENTRAL_URL}, timeout=60)
    done, told = 0, 0
    pool = ThreadPoolExecutor(max_workers=4)
    try:
        for finished in as_completed([pool.submit(_fetch, context, jar, target) for jar in jars]):
            done += finished.result()
            if done * 4 // total > told:
                told = done * 4 // total
                say(f"downloading Apache Kafka {VERSION}: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # an interrupt or an error does not wait for the rest
    shutil.rmtree(cache)


def _fetch(context: "MavenContext", jar: Jar, target: Path) -> int:
    """Download one jar; returns its size."""
    artifact = context.project(jar.group, jar.name).at_version(jar.version).artifact()
    problem = ""
    for _ in range(TRIES):
        try:
            path = Path(artifact.resolve())
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors; jgo raises RuntimeError on a 404
            problem = str(error)
        else:
            if _digest(path) == jar.sha256:
                path.replace(target / jar.file_name)
                return jar.size
            problem = "the file is not the one that kafka.lock names"
        partial = artifact.cached_path
        if partial is not None:
            partial.unlink(missing_ok=True)
    raise StackError(f"cannot download {jar.file_name} for Kafka: {problem}; check the network and start again")


def _is_whole(path: Path, jar: Jar) -> bool:
    # The digest was checked before the file got this name, so the size tells enough at each later start.
    return path.exists() and path.stat().st_size == jar.size


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    try:
        ensure(lambda line: print(f"assay: {line}", flush=True))
    except StackError as error:
        sys.exit(f"assay: {error}")
    except KeyboardInterrupt:
        os._exit(130)  # not waiting for the threads that download
