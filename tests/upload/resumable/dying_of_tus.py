"""Upload processes that kill themselves at a given step of tus. Run as: dying_of_tus.py STEP:PORT …

Forked from one parent, so that everything is imported once. SIGKILL is real: nothing of Python's runs after it.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from assay.shared.objects import ObjectStore
from assay.upload.announcing import Announcer
from assay.upload.main import main
from assay.upload.resumable.finishing import Finisher
from assay.upload.resumable.repository import UploadRepository


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL does not return")


def dying_after(owner: type, name: str) -> None:
    """Let a coroutine method do its work, then die."""
    original: Callable[..., Any] = getattr(owner, name)

    async def wrapper(*arguments: Any, **named: Any) -> NoReturn:
        await original(*arguments, **named)
        die()

    setattr(owner, name, wrapper)


def dying_before(owner: type, name: str) -> None:
    """Die instead of calling a method."""
    setattr(owner, name, lambda *_, **__: die())


STEPS: dict[str, Callable[[], None]] = {
    "after-a-part": lambda: dying_after(ObjectStore, "add_part"),
    "after-the-tail": lambda: dying_after(ObjectStore, "put"),
    "before-finishing": lambda: dying_before(Finisher, "finish"),
    "after-assembling": lambda: dying_after(ObjectStore, "assemble"),
    "before-commit": lambda: dying_after(UploadRepository, "end"),
    "after-commit": lambda: dying_after(Announcer, "announce"),
}


def run(step: str, port: str) -> None:
    """Become a service that dies at this step."""
    os.environ["ASSAY_HTTP__PORT"] = port
    STEPS[step]()
    main()


if __name__ == "__main__":
    children: list[int] = []

    def stop(*_: object) -> None:
        # None is reaped before this, so that no number can belong to another process by now.
        for each in children:
            os.kill(each, signal.SIGKILL)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    for argument in sys.argv[1:]:
        step, _, port = argument.partition(":")
        child = os.fork()
        if child == 0:
            children.clear()
            run(step, port)
            os._exit(0)
        children.append(child)
    while True:
        signal.pause()
