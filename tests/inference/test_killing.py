"""A file that kills its worker outright, not only the child that decodes it: it is found, and the innocent go on."""

import asyncio
from pathlib import Path

import pytest
from support.services import ServiceProcess

from assay.contracts import AnalysisCompleted, AnalysisFailed, Event, RunRequested
from assay.contracts.cloudevents import header
from assay.contracts.dead_letters import ATTEMPTS_HEADER
from inference.lab import Lab, kinds

GATED = "gated"
INNOCENT = 12


@pytest.mark.timeout(400)
async def test_three_times_alone_then_a_dead_letter(lab: Lab, environment: dict[str, str], tmp_path: Path) -> None:
    # What others left for this analyzer is done first, in peace.
    (tmp_path / "gate").touch()
    lines = {
        **environment,
        "ASSAY_ANALYZERS": GATED,
        "ASSAY_ANALYZER__GATED__GATE": str(tmp_path / "gate"),
        "ASSAY_SLOT": "3",
    }
    service = ServiceProcess("inference", lines, tmp_path / "worker.log")
    await asyncio.to_thread(service.start)
    try:
        first = await lab.request(b"first of all", plan=(GATED,))
        await lab.completed(first, GATED)
        innocent = [await lab.request(f"innocent {number}".encode(), plan=(GATED,)) for number in range(INNOCENT)]
        killer = await lab.request(b"kill the worker", plan=(GATED,))
        innocent += [await lab.request(f"later {number}".encode(), plan=(GATED,)) for number in range(INNOCENT)]

        def ended(run: RunRequested, kind: type[Event]) -> bool:
            return any(isinstance(each.event, kind) for each in lab.of_run(run.run_id))

        deaths = 0
        async with asyncio.timeout(300):
            while not ended(killer, AnalysisFailed) or not all(ended(each, AnalysisCompleted) for each in innocent):
                if not service.is_running:
                    deaths += 1
                    await asyncio.to_thread(service.start, wait=False)
                await asyncio.sleep(0.1)
        failed = next(each.event for each in lab.of_run(killer.run_id) if isinstance(each.event, AnalysisFailed))
        assert failed.code == "analyzer_crashed"
        assert 4 <= deaths <= 6
        assert not [each for each in innocent if "failed" in kinds(lab.of_run(each.run_id))]

        await lab.until(lambda: bool(lab.dead_letters(killer)))
        assert [header(each.headers, ATTEMPTS_HEADER) for each in lab.dead_letters(killer)] == ["3"]
    finally:
        if service.is_running:
            await asyncio.to_thread(service.stop)
