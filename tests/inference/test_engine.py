"""An engine says that it is busy as soon as files wait for each other, however many it lets in."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from support.analyzers import PACKAGES

from assay.inference.device import Device
from assay.inference.engine import Engine
from assay.inference.plugins import Plugin
from assay.inference.sandbox import Sandbox
from assay.inference.settings import EngineSettings

BATCH = 32


@pytest_asyncio.fixture
async def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    """With batches so large that a window of 64 records never waits for a place."""
    monkeypatch.syspath_prepend(str(PACKAGES))
    plugin = Plugin("gated", "assay_test_analyzers.hostile:Gated", {"gate": str(tmp_path / "gate")})
    sandbox = Sandbox(plugin, folder=tmp_path / "sandbox", processes=1, memory_mb=128)
    engine = Engine(plugin.make(), sandbox, Device("cpu"), EngineSettings(batch_max_items=BATCH))
    yield engine
    engine.close()


async def test_it_is_busy_when_more_are_in_work_than_are_prepared_and_judged_at_a_time(engine: Engine) -> None:
    children = 2  # one of them for people's files
    async with AsyncExitStack() as work:
        for _ in range(children + BATCH):
            await work.enter_async_context(engine.place(urgent=False))
        assert not engine.is_busy
        await work.enter_async_context(engine.place(urgent=False))
        assert engine.is_busy
    assert not engine.is_busy
