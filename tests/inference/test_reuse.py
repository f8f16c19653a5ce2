"""The same bytes of the same owner are not judged twice by the same analyzer."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from assay.contracts import AnalysisCompleted, AnalysisStarted, RunRequested, Verdict
from assay.shared.ids import new_id
from inference.lab import Lab
from inference.test_examining import picture

pytestmark = pytest.mark.usefixtures("worker")

TRIES = 40


async def examined_again(lab: Lab, first: RunRequested, **changes: Any) -> tuple[RunRequested, AnalysisCompleted]:
    """Runs on the same bytes until one finds the first one's verdict, which is kept a moment after it was said."""
    for _ in range(TRIES):
        again = first.model_copy(update={"run_id": new_id(), "run_number": 2, **changes})
        await lab.publisher.publish(again, topics=["assay.files"])
        completed = await lab.completed(again, "brightness")
        if completed.verdict.reused_from is not None:
            return again, completed
    raise AssertionError("no verdict was reused")


def said(verdict: Verdict) -> Verdict:
    """What it says, without where it comes from and where its artifacts lie."""
    return verdict.model_copy(update={"reused_from": None, "artifacts": ()})


async def test_a_second_run_takes_the_first_one_s_verdict_over(lab: Lab) -> None:
    first = await lab.request(picture(33), plan=("brightness",))
    verdict = (await lab.completed(first, "brightness")).verdict
    artifacts = await lab.explained(first, "brightness")

    again, completed = await examined_again(lab, first, same_bytes=(first.file_id,))
    assert said(completed.verdict) == said(verdict)
    assert completed.verdict.artifacts == artifacts
    assert not completed.artifacts_follow
    assert completed.device == "cpu"
    # No device was touched: it was never started.
    assert not [each for each in lab.of_run(again.run_id, "brightness") if isinstance(each.event, AnalysisStarted)]


async def test_another_file_of_the_owner_gets_artifacts_of_its_own(lab: Lab, tmp_path: Path) -> None:
    first = await lab.request(picture(34), plan=("brightness",))
    (original,) = await lab.explained(first, "brightness")
    second = await lab.put(picture(34), plan=("brightness",))

    _, completed = await examined_again(lab, second, run_number=1, same_bytes=(first.file_id,))
    (copy,) = completed.verdict.artifacts
    assert copy.key.startswith(f"files/{second.file_id}/")
    await lab.store.delete(original.key)
    assert await lab.store.download(copy.key, tmp_path / "copy") == original.sha256
    assert hashlib.sha256((tmp_path / "copy").read_bytes()).hexdigest() == copy.sha256


async def test_a_file_whose_verdict_is_gone_is_judged(lab: Lab) -> None:
    never = await lab.put(picture(35), plan=("brightness",), same_bytes=(new_id(),))
    await lab.publisher.publish(never, topics=["assay.files"])
    assert (await lab.completed(never, "brightness")).verdict.reused_from is None
