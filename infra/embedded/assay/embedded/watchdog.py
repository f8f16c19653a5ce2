"""A process beside the supervisor that clears up after it when it is killed: no child, nor grandchild, outlives it.

Started as `python -I -S watchdog.py` with a pipe from the supervisor as standard input. A line `+ 123` names a process
group that runs, `- 123` one that has ended. The end of the pipe means that the supervisor is gone: groups still
named then are killed. It also inherits the home's lock, so a next supervisor waits until this is done.
"""

import os
import signal
import sys
from collections.abc import Iterable


def main(lines: Iterable[str]) -> None:
    groups: set[int] = set()
    for line in lines:
        sign, _, number = line.partition(" ")
        if sign == "+":
            groups.add(int(number))
        else:
            groups.discard(int(number))
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            continue


if __name__ == "__main__":
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    main(iter(sys.stdin.readline, ""))
