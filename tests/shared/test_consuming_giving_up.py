"""Dead letters have a limit: beyond it the consumer stops, loses nothing, and says what to do."""

import asyncio

import pytest
from support.consuming import Bench, eventually, text_of
from support.topics import reading

from assay.contracts.cloudevents import header
from assay.contracts.dead_letters import GROUP_HEADER
from assay.contracts.topics import DEAD_LETTERS
from assay.shared import tracing
from assay.shared.consuming import Delivery, Ordering, PermanentError, TooManyDeadLettersError

pytestmark = pytest.mark.usefixtures("short_backoff")


async def test_too_many_dead_letters_stop_the_consumer_and_a_restart_goes_on(bench: Bench) -> None:
    given_up: list[str] = []
    done: list[str] = []
    is_mended = False

    async def handler(delivery: Delivery) -> None:
        if not is_mended:
            raise PermanentError("the fault is not the record's")
        done.append(text_of(delivery))

    async def gave_up(delivery: Delivery, error: BaseException) -> None:
        given_up.append(text_of(delivery))

    options = {"gave_up": gave_up, "max_dead_letters": 3, "window": 2, "ordering": Ordering.NONE}
    async with reading(bench.environment, DEAD_LETTERS.name) as letters:
        async with bench.member(handler, **options) as member:
            await member.assigned.wait()
            await member.check()
            await bench.send_many(20)
            await eventually(lambda: all(held.is_paused for held in member._held.values()), "it stops")
            with pytest.raises(
                TooManyDeadLettersError, match=r"3 records became dead letters.*assay dead-letters list"
            ):
                await member.check()
            await bench.send("21")
            assert member.seconds_stalled() == 0  # a restart would go on giving up
            await member.commit()
            assert await bench.committed_sum() == 3
        assert len(given_up) == 3
        assert await bench.committed_sum() == 3
        is_mended = True
        async with bench.member(handler, **options):
            await eventually(lambda: len(done) == 18, "a mended one does the rest")
        found = await letters.wait_until(
            lambda records: sum(header(each.headers, GROUP_HEADER) == bench.group for each in records) >= 3
        )
    assert sum(header(each.headers, GROUP_HEADER) == bench.group for each in found) == 3
    assert not set(done) & set(given_up)
    assert await bench.committed_sum() == 21


async def test_old_dead_letters_do_not_count(bench: Bench) -> None:
    seen: list[str] = []

    async def handler(delivery: Delivery) -> None:
        seen.append(text_of(delivery))
        raise PermanentError("bad")

    async with bench.member(handler, max_dead_letters=2, dead_letters_within_s=0.2) as member:
        for number in range(4):
            await bench.send(str(number), key=str(number))
            await eventually(lambda number=number: len(seen) == number + 1, "it is given up")
            await asyncio.sleep(0.15)
        await member.check()
    assert await bench.committed_sum() == 4


async def test_what_a_handler_publishes_is_in_the_trace_of_its_record(bench: Bench) -> None:
    """Also where nobody records spans here: the trace may be recorded in the next service."""
    carried: dict[str, str | None] = {}

    async def handler(delivery: Delivery) -> None:
        carried[text_of(delivery)] = tracing.carrier().get("traceparent")
        if text_of(delivery) == "bad":
            raise PermanentError("no use")

    async def gave_up(delivery: Delivery, error: BaseException) -> None:
        carried["given up"] = tracing.carrier().get("traceparent")

    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with bench.member(handler, gave_up=gave_up):
        await bench.send("good", "bad", headers=[("traceparent", parent.encode())])
        await bench.send("outside of any")
        await eventually(lambda: len(carried) == 4, "all are done")
    assert carried == {"good": parent, "bad": parent, "given up": parent, "outside of any": None}
