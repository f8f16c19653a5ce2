"""Who runs together, and who alone."""

import asyncio
import random

from assay.shared.isolation import Isolation


async def test_the_one_alone_waits_for_those_before_and_goes_before_those_after() -> None:
    isolation, happened = Isolation(), []
    await isolation.enter()

    async def alone() -> None:
        async with isolation.alone():
            happened.append("alone")
            await asyncio.sleep(0)
            happened.append("alone no more")

    async def together() -> None:
        await isolation.enter()
        happened.append("together")
        isolation.leave()

    waiting = [asyncio.create_task(alone()), asyncio.create_task(together())]
    await asyncio.sleep(0.01)
    assert happened == []
    assert not isolation.try_enter()
    isolation.leave()
    await asyncio.gather(*waiting)
    assert happened == ["alone", "alone no more", "together"]
    assert isolation.try_enter()


async def test_who_gives_up_waiting_holds_nobody_up() -> None:
    isolation = Isolation()
    await isolation.enter()

    async def alone() -> None:
        async with isolation.alone():
            pass

    waiting = asyncio.create_task(alone())
    behind = asyncio.create_task(isolation.enter())
    await asyncio.sleep(0)
    waiting.cancel()
    async with asyncio.timeout(1):
        await behind
    isolation.leave()
    # Cancelled in the very moment that it was its turn.
    waiting = asyncio.create_task(alone())
    behind = asyncio.create_task(isolation.enter())
    await asyncio.sleep(0)
    isolation.leave()
    waiting.cancel()
    async with asyncio.timeout(1):
        await behind


async def test_nobody_is_ever_beside_the_one_alone_and_all_have_their_turn() -> None:
    isolation, chance = Isolation(), random.Random(3)
    together = alone = ended = 0

    async def one(number: int) -> None:
        nonlocal together, alone, ended
        await asyncio.sleep(chance.random() * 0.02)
        if number % 5 == 0:
            async with isolation.alone():
                alone += 1
                assert (alone, together) == (1, 0)
                try:
                    await asyncio.sleep(chance.random() * 0.002)
                finally:
                    alone -= 1
        else:
            await isolation.enter()
            together += 1
            assert alone == 0
            try:
                await asyncio.sleep(chance.random() * 0.002)
            finally:
                together -= 1
                isolation.leave()
        ended += 1

    tasks = [asyncio.create_task(one(number)) for number in range(300)]
    for task in chance.sample(tasks, 30):
        asyncio.get_running_loop().call_later(chance.random() * 0.05, task.cancel)
    async with asyncio.timeout(20):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert not [each for each in results if each is not None and not isinstance(each, asyncio.CancelledError)]
    assert ended >= 270
