"""Room for parts in memory: first come, first served, given back whatever happens, and not held up by slow clients."""

import asyncio

import pytest

from assay.upload import memory
from assay.upload.memory import Memory


async def passed(waiting: "asyncio.Task[memory.Room]") -> bool:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return waiting.done()


async def test_whoever_comes_waits_for_whoever_came_before() -> None:
    room = Memory(10)
    first = await room.take(8)
    large, small = asyncio.create_task(room.take(6)), asyncio.create_task(room.take(1))
    # There is room for the small one, but it is not its turn.
    assert not await passed(small)
    first.give_back()
    first.give_back()
    assert await passed(large)
    assert await passed(small)
    whole = asyncio.create_task(room.take(100))
    (await large).give_back()
    assert not await passed(whole)
    (await small).give_back()
    assert await passed(whole)
    (await whole).give_back()


async def test_who_goes_away_while_waiting_takes_nothing() -> None:
    room = Memory(10)
    first = await room.take(10)
    large, gone, last = (asyncio.create_task(room.take(size)) for size in (9, 5, 1))
    assert not await passed(large)
    large.cancel()
    first.give_back()
    assert await passed(gone)
    assert await passed(last)
    waiting = asyncio.create_task(room.take(9))
    assert not await passed(waiting)
    # Cancelled when it has its turn already, and does not know yet.
    (await gone).give_back()
    (await last).give_back()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    (await asyncio.wait_for(room.take(10), 5)).give_back()


async def test_a_slow_client_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "PATIENCE_S", 0.05)
    room = Memory(10)
    slow = await room.take(10)
    full = await asyncio.wait_for(room.take(10), 5)
    # This one waits for S3, not for its client: it keeps its room.
    full.fill()
    waiting = asyncio.create_task(room.take(1))
    await asyncio.wait([waiting], timeout=0.2)
    assert not waiting.done()
    full.give_back()
    (await asyncio.wait_for(waiting, 5)).give_back()
    slow.give_back()
    (await asyncio.wait_for(room.take(10), 5)).give_back()
