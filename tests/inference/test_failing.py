"""What goes wrong with one file ends that analysis with a clear code, and no other."""

import asyncio
import hashlib
from pathlib import Path
from uuid import UUID

import httpx
import psutil
import pytest
from support.services import ServiceProcess

from inference.lab import Lab, kinds

pytestmark = pytest.mark.usefixtures("worker")

CODES = {
    "abort": ("analyzer_crashed", "SIGABRT"),
    "segfault": ("analyzer_crashed", "SIGSEGV"),
    "exit": ("analyzer_crashed", "status 3"),
    "killed": ("out_of_memory", "256 MB"),
    "bomb": ("out_of_memory", "256 MB"),
    "hang": ("timed_out", "6 s"),
    "unreadable": ("media_unreadable", "It ends in the middle."),
    "too-odd": ("too_odd", "It is too odd."),
    "base-error": ("analyzer_error", "No more to be said."),
}


def local_copies(environment: dict[str, str], file_id: UUID) -> list[Path]:
    """The names under which the cache holds the bytes of a file."""
    return list(Path(environment["ASSAY_CACHE__PATH"]).glob(f"names/{file_id}.*"))


async def test_crash_hang_and_bomb_fail_one_analysis_each_while_others_go_on(lab: Lab, worker: ServiceProcess) -> None:
    bad = {word: await lab.request(f"{word} {number}".encode()) for number, word in enumerate(CODES)}
    good = [await lab.request(f"innocent {number}".encode()) for number in range(12)]
    for request in good:
        assert (await lab.completed(request)).verdict.details["word"] == "innocent"
    for word, request in bad.items():
        code, text = CODES[word]
        events = await lab.ended(request)
        assert kinds(events) == ["started", "failed"]
        assert events[-1].event.code == code, word
        assert text in events[-1].event.message
        assert lab.dead_letters(request) == []
    metrics = (await asyncio.to_thread(httpx.get, f"{worker.url}/metrics")).text
    assert 'assay_analyses_total{analyzer="hostile",outcome="analyzer_crashed"} 3.0' in metrics


@pytest.mark.parametrize("word", ["defect", "infer-defect", "wrong-label", "not-json"])
async def test_a_defect_fails_at_once_and_becomes_a_dead_letter(lab: Lab, word: str) -> None:
    request = await lab.request(word.encode())
    events = await lab.ended(request)
    assert kinds(events) == ["started", "failed"]
    assert events[-1].event.code == "internal_error"
    await lab.until(lambda: len(lab.dead_letters(request)) == 1)
    (letter,) = lab.dead_letters(request)
    headers = dict(letter.headers)
    assert headers["assay_dead_group"] == b"assay.inference.hostile"
    assert headers["assay_dead_attempts"] == b"1"
    assert headers["ce_id"].decode() == str(request.event_id)


@pytest.mark.parametrize(
    ("word", "code"), [("transient", "temporarily_unavailable"), ("device-memory", "device_memory")]
)
async def test_what_may_pass_is_tried_again_then_fails_then_is_a_dead_letter(lab: Lab, word: str, code: str) -> None:
    request = await lab.request(word.encode())
    events = await lab.ended(request)
    assert kinds(events) == ["started", "started", "started", "failed"]
    assert [each.event.attempt for each in events if kinds([each])] == [1, 2, 3, 3]
    assert events[-1].event.code == code
    await lab.until(lambda: len(lab.dead_letters(request)) == 1)


async def test_bytes_that_are_not_there_are_said_to_be_missing(lab: Lab) -> None:
    request = await lab.request(b"gone", stored=False)
    assert (await lab.failed(request)).code == "file_missing"


async def test_bytes_of_another_hash_are_never_judged(lab: Lab) -> None:
    request = await lab.request(b"swapped", sha256=hashlib.sha256(b"as uploaded").hexdigest())
    assert (await lab.failed(request)).code == "file_corrupt"


async def test_a_file_larger_than_the_manifest_takes_fails(lab: Lab) -> None:
    request = await lab.request(b"small", size=9 * 1024 * 1024, plan=("brightness",))
    assert (await lab.failed(request, "brightness")).code == "file_too_large"


async def test_a_deletion_ends_what_runs_and_clears_the_local_copy(lab: Lab, environment: dict[str, str]) -> None:
    request = await lab.request(b"hang until deleted")
    await lab.until(lambda: len(lab.of_run(request.run_id)) >= 2)  # started, and half a second in `prepare`
    (copy,) = local_copies(environment, request.file_id)
    await lab.delete(request)
    failed = await lab.failed(request)
    assert (failed.code, failed.attempt) == ("file_deleted", 1)
    await lab.until_true(lambda: not copy.exists())


async def test_a_file_deleted_before_its_turn_is_not_begun(lab: Lab) -> None:
    request = await lab.put(b"deleted before")
    await lab.delete(request)
    await lab.publisher.publish(request, topics=["assay.files"])
    events = await lab.ended(request)
    assert kinds(events) == ["failed"]
    assert events[0].event.code == "file_deleted"


async def test_the_process_that_reads_files_knows_none_of_the_service_s_secrets(lab: Lab) -> None:
    names = (await lab.completed(await lab.request(b"environment"))).verdict.details["environment"]
    assert "PATH" in names
    assert [name for name in names if name.startswith(("ASSAY_", "AWS_"))] == []


async def test_no_child_stays_behind_from_what_was_killed(lab: Lab, worker: ServiceProcess) -> None:
    requests = [await lab.request(f"abort {number}".encode()) for number in range(6)]
    await asyncio.gather(*(lab.failed(request) for request in requests))
    # For each of two analyzers a first process and two children; a replacement comes with the next file.
    assert len(psutil.Process(worker.pid).children(recursive=True)) <= 6
