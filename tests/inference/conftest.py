"""A worker as a process, with a stranger's analyzers installed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from support import analyzers
from support.services import ServiceProcess
from support.stacks import RunningParts

from assay.shared.kafka import ensure_topics
from assay.shared.settings import KafkaSettings, S3Settings
from inference.lab import Lab


@pytest.fixture(scope="package")
def installed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PYTHONPATH on which the test analyzers are installed."""
    return analyzers.install(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="package")
def environment(stack: RunningParts, installed: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a worker process needs."""
    return {
        **stack.environment("inference"),
        "PYTHONPATH": installed,
        "ASSAY_CACHE__PATH": str(tmp_path_factory.mktemp("cache")),
        "ASSAY_SANDBOX__MEMORY_MB": "256",
        "ASSAY_SANDBOX__PROCESSES": "2",
        "ASSAY_ENGINE__MAX_ATTEMPTS": "3",
        "ASSAY_LOG__FORMAT": "json",
    }


def block(lines: dict[str, str], prefix: str) -> dict[str, str]:
    """One group of ASSAY_… lines, by the names of its fields."""
    return {name.removeprefix(prefix).lower(): value for name, value in lines.items() if name.startswith(prefix)}


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def lab(stack: RunningParts) -> AsyncIterator[Lab]:
    lines = stack.environment("inference")
    kafka = KafkaSettings.model_validate(block(lines, "ASSAY_KAFKA__"))
    lab = Lab(kafka, S3Settings.model_validate(block(lines, "ASSAY_S3__")))
    await ensure_topics(kafka)
    await lab.store.ensure_bucket()
    await lab.start()
    yield lab
    await lab.stop()


@pytest.fixture(scope="package")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces") / "spans.ndjson"


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def worker(
    environment: dict[str, str], lab: Lab, traces: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServiceProcess]:
    """The worker that most tests share: all that is installed but `gated`."""
    names = "brightness,hostile,without-weights,not-importable"
    lines = {**environment, "ASSAY_ANALYZERS": names, "ASSAY_TRACES__PATH": str(traces)}
    service = ServiceProcess("inference", lines, tmp_path_factory.mktemp("worker") / "worker.log")
    # In a thread: the loop goes on reading Kafka.
    try:
        await asyncio.to_thread(service.start)
        yield service
    finally:
        assert await asyncio.to_thread(service.stop) == 0
