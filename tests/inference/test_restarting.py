"""A worker may be killed at any moment: nothing is lost, nothing counts twice, nothing stays behind."""

import asyncio
from pathlib import Path
from uuid import uuid5

import psutil
import pytest
from support.services import ServiceProcess

from inference.lab import Lab, kinds

GATED = "gated"


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


@pytest.fixture
def service(environment: dict[str, str], gate: Path, tmp_path: Path) -> ServiceProcess:
    """Not started. Serves one analyzer of those installed."""
    lines = {**environment, "ASSAY_ANALYZERS": GATED, "ASSAY_ANALYZER__GATED__GATE": str(gate), "ASSAY_SLOT": "3"}
    return ServiceProcess("inference", lines, tmp_path / "worker.log")


@pytest.mark.timeout(300)
async def test_killed_and_restarted_then_drained(lab: Lab, service: ServiceProcess, gate: Path) -> None:
    await asyncio.to_thread(service.start)
    try:
        request = await lab.request(b"wait for the gate", plan=(GATED,))
        done = await lab.request(b"no waiting", plan=(GATED,))
        await lab.until(lambda: len(lab.of_run(request.run_id)) >= 1)
        await lab.completed(done, GATED)
        children = psutil.Process(service.pid).children(recursive=True)
        assert len(children) >= 3
        await asyncio.to_thread(service.kill)
        await lab.until_true(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))

        await asyncio.to_thread(gate.touch)
        await asyncio.to_thread(service.start)
        events = await lab.ended(request, GATED)
        assert kinds(events) == ["started", "started", "completed"]
        assert [each.event.attempt for each in events if kinds([each]) == ["started"]] == [1, 2]
        assert events[-1].event.verdict.details["word"] == "wait for the gate"

        await asyncio.to_thread(gate.unlink)
        running = await lab.request(b"wait for the end", plan=(GATED,))
        await lab.until(lambda: len(lab.of_run(running.run_id)) >= 1)
        stopping = asyncio.create_task(asyncio.to_thread(service.stop))
        await asyncio.to_thread(gate.touch)
        assert await stopping == 0
        assert kinds(await lab.ended(running, GATED)) == ["started", "completed"]
        # Its offset may not have been committed when the worker was killed. Whatever was said again has the same ids.
        ends = {each.id for each in lab.of_run(done.run_id) if kinds([each]) == ["completed"]}
        assert ends == {str(uuid5(done.run_id, "gated/terminal"))}
    finally:
        await asyncio.to_thread(service.stop)
