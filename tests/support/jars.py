"""Jars that a test needs, named in a lock file: fetched once into this environment, as the broker's own are."""

import fcntl
import hashlib
import os
import sys
from pathlib import Path

from assay.embedded import kafka_jars

FOLDER = Path(sys.prefix) / "share" / "assay" / "test-jars"


def fetched(lock: Path) -> list[Path]:
    """The jars that a lock names. Raises AssertionError where one is another than the lock says."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        return [_fetched(*line.split()) for line in lock.read_text(encoding="utf-8").splitlines()]


def of_the_broker() -> list[Path]:
    """The jars of the embedded broker; Kafka's client is among them."""
    folder = kafka_jars.ensure(print)
    return [folder / jar.file_name for jar in kafka_jars.locked_jars()]


def _fetched(coordinate: str, size: str, digest: str) -> Path:
    group, name, version = coordinate.split(":")
    path = FOLDER / f"{name}-{version}.jar"
    if not path.exists():
        _download(group, name, version, path)
    content = path.read_bytes()
    assert (len(content), "sha256:" + hashlib.sha256(content).hexdigest()) == (int(size), digest), path
    return path


def _download(group: str, name: str, version: str, path: Path) -> None:
    # Needed once in the life of an environment, and slow to import.
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    if "SSL_CERT_FILE" in os.environ:
        os.environ.setdefault("REQUESTS_CA_BUNDLE", os.environ["SSL_CERT_FILE"])
    context = MavenContext(
        repo_cache=FOLDER / ".download", local_repos=[], remote_repos={"central": MAVEN_CENTRAL_URL}, timeout=60
    )
    Path(context.project(group, name).at_version(version).artifact().resolve()).replace(path)
