"""What can wait makes room for what somebody waits for, as far as the processor is short of time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from support.consuming import Bench, eventually

from assay.contracts.topics import Topic
from assay.shared import giving_way
from assay.shared.consuming import Delivery, GivingWay, Lane, Ordering
from assay.shared.kafka import ensure_topics

WINDOW = 8
PATIENT = 400


@dataclass
class Work:
    """Records that can wait, in work and done."""

    patient: str
    running: int = 0
    most: int = 0
    done: int = 0
    people: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, delivery: Delivery) -> None:
        if delivery.topic != self.patient:
            self.people += 1
            return
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.01)
        self.running -= 1
        self.done += 1


@dataclass
class Processor:
    """Says how busy it is."""

    busy: float

    def __call__(self) -> float:
        return self.busy


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    def set_hold(hold_s: float) -> None:
        monkeypatch.setattr(giving_way, "HOLD_S", hold_s)

    monkeypatch.setattr(giving_way, "TICK_S", 0.05)
    monkeypatch.setattr(giving_way, "PULSE_S", 0.1)
    return set_hold


@pytest.fixture
async def work(bench: Bench) -> AsyncIterator[Work]:
    patient = f"{bench.topic}.patient"
    await ensure_topics(bench.settings, [Topic(patient, "of a test", 1)])
    await bench.send_many(PATIENT, topic=patient)
    yield Work(patient)


def options(bench: Bench, work: Work, way: GivingWay, *, waited_for: bool = True) -> dict[str, object]:
    lanes = {bench.topic: Lane(waited_for=waited_for), work.patient: Lane(gives_way=True)}
    return {
        "topics": (bench.topic, work.patient),
        "window": WINDOW,
        "lanes": lanes,
        "giving_way": way,
        "ordering": Ordering.NONE,
    }


async def test_on_a_busy_processor_one_after_the_other_and_never_none(
    bench: Bench, work: Work, quickly: Callable[[float], None]
) -> None:
    quickly(60.0)
    processor = Processor(busy=1.0)
    way = GivingWay(processor)
    async with bench.member(work, **options(bench, work, way)):
        await eventually(lambda: work.most == WINDOW, "all slots are taken while nobody waits")
        await bench.send("somebody's")
        await eventually(lambda: work.people == 1 and work.running <= 1, "it makes room")
        before, work.most = work.done, 0
        await eventually(lambda: work.done >= before + 4, "it goes on")
        assert work.most == 1
        processor.busy = 0.1
        await eventually(lambda: work.most == WINDOW, "the processor has time to spare, so it takes that")
        await eventually(lambda: work.done == PATIENT, "all are done")
        await way.stop()


async def test_some_time_after_the_last_it_has_its_share_again(
    bench: Bench, work: Work, quickly: Callable[[float], None]
) -> None:
    quickly(0.5)
    async with bench.member(work, **options(bench, work, GivingWay(Processor(busy=1.0)))):
        await bench.send("somebody's")
        await eventually(lambda: work.people == 1, "somebody was served")
        await eventually(lambda: work.done == PATIENT, "all are done")
        assert work.most == WINDOW


async def test_records_that_nobody_waits_for_hold_nothing_back(
    bench: Bench, work: Work, quickly: Callable[[float], None]
) -> None:
    quickly(60.0)
    async with bench.member(work, **options(bench, work, GivingWay(Processor(busy=1.0)), waited_for=False)):
        await bench.send("nobody's")
        await eventually(lambda: work.people == 1, "it was handled")
        before, work.most = work.done, 0
        await eventually(lambda: work.done == PATIENT, "all are done")
        assert before < PATIENT - WINDOW
        assert work.most == WINDOW
