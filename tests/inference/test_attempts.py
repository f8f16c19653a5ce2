"""Attempts are counted over the deaths of workers, and forgotten once an analysis has its end."""

import os
from pathlib import Path

from assay.inference.attempts import Attempts
from assay.inference.domain import Analysis
from inference.lab import Lab


async def opened(folder: Path) -> Attempts:
    attempts = Attempts(folder)
    await attempts.open()
    return attempts


async def analysis(lab: Lab, content: bytes) -> Analysis:
    return Analysis.of(await lab.put(content, stored=False), "hostile")


def kept(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_each_worker_of_a_host_goes_on_counting(lab: Lab, tmp_path: Path) -> None:
    first, second, other = await analysis(lab, b"1"), await analysis(lab, b"2"), await analysis(lab, b"3")
    died = await opened(tmp_path)
    assert [died.begin(each) for each in (first, first, second)] == [1, 2, 1]
    # It never closes.
    successor = await opened(tmp_path)
    assert [successor.of(each) for each in (first, second, other)] == [2, 1, 0]
    assert [successor.begin(each) for each in (first, second, other)] == [3, 2, 1]
    assert [died.of(each) for each in (first, second, other)] == [3, 2, 1]


async def test_what_has_its_end_begins_anew(lab: Lab, tmp_path: Path) -> None:
    attempts = await opened(tmp_path)
    ended, going = await analysis(lab, b"1"), await analysis(lab, b"2")
    for each in (ended, going, going):
        attempts.begin(each)
    attempts.end(ended)
    attempts.end(ended)
    assert [attempts.of(each) for each in (ended, going)] == [0, 2]
    assert attempts.begin(ended) == 1
    attempts.end(ended)
    attempts.close()
    (left,) = kept(tmp_path)
    assert left.name.startswith(str(going.run_id))


async def test_it_goes_on_where_somebody_tidied_its_folder(lab: Lab, tmp_path: Path) -> None:
    attempts = await opened(tmp_path)
    for path in kept(tmp_path):
        path.unlink()
    one = await analysis(lab, b"1")
    assert [attempts.begin(one), attempts.begin(one)] == [1, 2]


async def test_only_what_nobody_touched_for_days_is_forgotten(lab: Lab, tmp_path: Path) -> None:
    attempts = await opened(tmp_path)
    one = await analysis(lab, b"1")
    attempts.begin(one)
    # As long ago as a worker may have been at work: the shared file's content is that old, its last name is not.
    for path in kept(tmp_path):
        os.utime(path, (0, 0))
    assert (await opened(tmp_path)).of(one) == 1
