"""`python -m assay.embedded.main`: the stack from a shell. People use `assay up`, which calls the same functions."""

import signal
import sys
import threading
from pathlib import Path

from assay.embedded import up
from assay.embedded.errors import StackError
from assay.embedded.settings import StackSettings
from assay.embedded.stack import Stack


def say(line: str) -> None:
    """One line of progress."""
    print(f"assay: {line}", flush=True)


def print_environment(home: Path, service: str | None) -> None:
    """`NAME=value` lines that a shell can source."""
    for name, value in sorted(Stack(home).environment(service).items()):
        print(f"{name}={value}")


def run_parts(home: Path) -> None:
    """Run Kafka, S3 and PostgreSQL until SIGINT or SIGTERM."""
    stop = threading.Event()
    with Stack(home, say=say):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        say("ready")
        while not stop.wait(1.0):
            pass


def main(arguments: list[str]) -> int:
    """Run one command. Returns the exit status; an error is one line on standard error."""
    home = StackSettings().home
    try:
        match arguments:
            case ["parts"]:
                run_parts(home)
            case ["up"]:
                return up.main()
            case ["env"]:
                print_environment(home, None)
            case ["env", service]:
                print_environment(home, service)
            case _:
                print("usage: python -m assay.embedded.main up | parts | env [SERVICE]", file=sys.stderr)
                return 2
    except StackError as error:
        print(f"assay: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
