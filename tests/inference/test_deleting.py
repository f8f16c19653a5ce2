"""Every process hears of every deletion: at once, in either lane, and of those while it was stopped."""

import json
import time
from collections.abc import Collection
from pathlib import Path
from uuid import UUID

import pytest
from support.services import ServiceProcess

from assay.contracts import FileDeleted
from assay.inference.deleting import DeletionFeed
from assay.shared.clock import now
from assay.shared.ids import new_id
from inference.lab import Lab

LANES = ("assay.files", "assay.files.bulk")


class Heard:
    """What a feed has told."""

    def __init__(self) -> None:
        self.file_ids: list[UUID] = []
        self.lost = 0

    async def deleted(self, file_ids: Collection[UUID]) -> None:
        self.file_ids.extend(file_ids)

    async def was_lost(self) -> None:
        self.lost += 1


def feed(lab: Lab, path: Path, heard: Heard) -> DeletionFeed:
    return DeletionFeed(lab.kafka, path, deleted=heard.deleted, lost=heard.was_lost)


async def delete(lab: Lab, lane: str) -> UUID:
    file_id = new_id()
    event = FileDeleted(occurred_at=now(), file_id=file_id, owner_id="tester")
    await lab.publisher.publish(event, topics=[lane])
    return file_id


def noted(path: Path) -> int:
    """How many records of all partitions lie before the positions that were noted."""
    return sum(sum(positions) for positions in json.loads(path.read_text()).values())


async def test_it_hears_of_them_within_seconds_and_goes_on_where_it_was(lab: Lab, tmp_path: Path) -> None:
    path, heard = tmp_path / "deletions.json", Heard()
    first = feed(lab, path, heard)
    first.start()
    await lab.until_true(path.exists)
    assert heard.lost == 1  # nothing was known of the time before
    before = noted(path)
    file_ids = {await delete(lab, lane) for lane in LANES for _ in range(3)}
    await lab.until_true(lambda: file_ids <= set(heard.file_ids), within_s=5)
    # It tells first and notes then: nothing is missed, something may be heard twice.
    await lab.until_true(lambda: noted(path) >= before + len(file_ids), within_s=5)
    await first.stop()
    missed = {await delete(lab, lane) for lane in LANES}
    again = Heard()
    second = feed(lab, path, again)
    second.start()
    await lab.until_true(lambda: missed <= set(again.file_ids), within_s=10)
    await second.stop()
    assert again.lost == 0
    assert not file_ids & set(again.file_ids)


async def test_what_another_process_noted_is_not_what_this_one_has_heard(lab: Lab, tmp_path: Path) -> None:
    """Both share the note. One that has to connect anew goes on where it was itself."""
    path, heard, other = tmp_path / "deletions.json", Heard(), Heard()
    failures = 0

    async def failing_once(file_ids: Collection[UUID]) -> None:
        nonlocal failures
        if not failures:
            failures += 1
            await lab.until_true(lambda: set(file_ids) <= set(other.file_ids), within_s=5)
            await lab.until_true(lambda: path.read_text() != before, within_s=5)
            raise OSError("a folder is away")
        await heard.deleted(file_ids)

    feeds = [DeletionFeed(lab.kafka, path, deleted=failing_once, lost=heard.was_lost), feed(lab, path, other)]
    for each in feeds:
        each.start()
        await lab.until_true(path.exists, within_s=10)
    before = path.read_text()
    file_id = await delete(lab, LANES[0])
    await lab.until_true(lambda: file_id in heard.file_ids, within_s=15)
    for each in feeds:
        await each.stop()
    assert failures == 1


@pytest.mark.parametrize("said", ["", "[]", "{}", '{"00000000-0000-0000-0000-000000000000": [1]}'])
async def test_where_it_cannot_know_what_it_missed_it_says_so(lab: Lab, tmp_path: Path, said: str) -> None:
    path, heard = tmp_path / "deletions.json", Heard()
    path.write_text(said)
    reading = feed(lab, path, heard)
    reading.start()
    await lab.until_true(lambda: heard.lost == 1, within_s=10)
    await lab.until_true(lambda: path.read_text() != said, within_s=10)
    file_id = await delete(lab, LANES[1])
    await lab.until_true(lambda: file_id in heard.file_ids, within_s=5)
    await reading.stop()
    assert heard.lost == 1


async def test_work_ends_within_seconds_whichever_lane_says_so(lab: Lab, worker: ServiceProcess) -> None:
    for lane in LANES:
        request = await lab.request(f"hang until deleted in {lane}".encode())
        await lab.until(lambda request=request: len(lab.of_run(request.run_id)) >= 2)
        began = time.monotonic()
        event = FileDeleted(occurred_at=now(), file_id=request.file_id, owner_id=request.owner_id)
        await lab.publisher.publish(event, topics=[lane])
        assert (await lab.failed(request)).code == "file_deleted"
        assert time.monotonic() - began < 5
