"""A member of a group in a process of its own, so that it can die: `consumer_driver.py TOPIC GROUP LOG`.

A record's value says what its handler does: `work-7:20` takes 20 ms, `die-1:50` ends the process after 50 ms without
tidying up, `hold-1:0` waits while the file LOG.hold is there. LOG gets a line for each start and end of a handler.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from support.topics import kafka_settings

from assay.shared.consuming import Delivery, Ordering, ParallelConsumer
from assay.shared.kafka import Publisher, build_broker


class Member:
    """What the handlers do and tell."""

    def __init__(self, log: Path) -> None:
        self._hold = log.with_suffix(".hold")
        self._lines = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._running = 0

    def say(self, *words: object) -> None:
        """One line, in the file even if the process dies now."""
        os.write(self._lines, (" ".join(map(str, (os.getpid(), *words))) + "\n").encode())

    async def handle(self, delivery: Delivery) -> None:
        text = (delivery.value or b"").decode()
        name, milliseconds = text.split(":")
        self._running += 1
        self.say("start", name, delivery.attempt, self._running)
        try:
            await asyncio.sleep(int(milliseconds) / 1000)
            if name.startswith("die"):
                self.say("dies", name, delivery.attempt, self._running)
                os._exit(9)
            while name.startswith("hold") and self._hold.exists():  # noqa: ASYNC110  # a file
                await asyncio.sleep(0.02)
        finally:
            self._running -= 1
        self.say("end", name, delivery.attempt, self._running)

    async def gave_up(self, delivery: Delivery, error: BaseException) -> None:
        self.say("gave_up", (delivery.value or b"").decode().split(":")[0], delivery.attempt, type(error).__name__)


async def main(topic: str, group: str, log: Path) -> None:
    settings = kafka_settings(dict(os.environ))
    member = Member(log)
    publisher = Publisher(settings, source="/assay/tests")
    await publisher.start()
    broker = build_broker(settings, client_id="driver")
    consumer = ParallelConsumer(
        broker,
        topics=(topic,),
        group=group,
        handler=member.handle,
        publisher=publisher,
        # The broker knows at once who comes back, and need not wait for the dead one's session to end.
        instance_id="slot-0",
        window=16,
        ordering=Ordering.NONE,
        gave_up=member.gave_up,
    )
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await consumer.start()
    await broker.start()
    await stopped.wait()
    await consumer.stop(timeout_s=0.5)
    await broker.stop()
    await publisher.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
