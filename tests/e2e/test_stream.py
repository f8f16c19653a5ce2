"""The live stream at the gateway: state, then log; a reader that comes back misses nothing, whoever was killed."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Thread

import httpx
import psutil
from support.product import SAMPLES, Message, Product

TERMINAL = ("assay.analysis.completed.v1", "assay.analysis.failed.v1", "assay.run.completed.v1")


def _key(message: Message) -> tuple[object, ...]:
    event = message.data
    return (message.event, event.get("analyzer"), event.get("attempt"), event.get("sequence"))


def test_a_stream_until_completed_ends_by_itself(product: Product) -> None:
    file_id = product.submit(SAMPLES / "landscape.jpg")["file_id"]
    with product.client() as client:
        # A plain read to the end, as `curl -N` does; the client's limit is what fails where it does not end.
        body = client.get(f"/api/v1/files/{file_id}/events?until=completed").text
    assert "event: snapshot" in body
    assert "no_findings" in body


def test_every_position_continues_without_gap_or_duplicate(product: Product) -> None:
    file_id = product.submit(SAMPLES / "splice.jpg")["file_id"]
    path = f"/api/v1/files/{file_id}/events"
    seen = list(product.stream(f"{path}?until=completed"))
    assert seen[0].event == "snapshot"
    # From the snapshot's own position on, whatever it contained already.
    for at, message in enumerate(seen[:-1]):
        rest = []
        for again in product.stream(path, last_id=message.id):
            rest.append(again)
            if again.event == "assay.run.completed.v1":
                break
        assert [_key(each) for each in rest] == [_key(each) for each in seen[at + 1 :]]
        assert [each.id for each in rest] == [each.id for each in seen[at + 1 :]]


def test_a_killed_notify_is_restarted_and_a_reader_goes_on(product: Product) -> None:
    assert product.process is not None
    path = "/api/v1/events"
    stream = product.stream(path)
    seen = [next(stream)]
    first = product.submit(SAMPLES / "landscape.jpg")["file_id"]
    reader = Thread(target=lambda: _collect(stream, seen), daemon=True)
    reader.start()
    _wait(lambda: any(each.event == TERMINAL[-1] and each.data["file_id"] == first for each in seen))

    for process in psutil.Process(product.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # children of workers come and go
            if "assay.notify.main" in " ".join(process.cmdline()):
                process.kill()
    reader.join(20)
    accepted = product.submit(SAMPLES / "ai-signed.jpg")
    second = accepted["file_id"]
    _wait(lambda: product.client().get("/readyz").status_code == 200)

    later: list[Message] = []
    for message in product.stream(path, last_id=seen[-1].id):
        later.append(message)
        if message.event == TERMINAL[-1] and message.data["file_id"] == second:
            break
    ends = [_key(each)[:2] for each in later if each.data.get("file_id") == second and each.event in TERMINAL]
    assert sorted(ends, key=str) == sorted(set(ends), key=str)
    assert len(ends) == len(accepted["plan"]) + 1
    assert not [each for each in later if each.event in TERMINAL and each.data.get("file_id") == first]


def _collect(stream: Iterator[Message], seen: list[Message]) -> None:
    try:
        for message in stream:
            seen.append(message)
    except httpx.TransportError:
        return


def _wait(fact: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if fact():
            return
        time.sleep(0.1)
    raise AssertionError("the fact did not come about")
