"""`assay up`: everything, until Ctrl-C."""

import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from assay.embedded import configuration, services, tokens
from assay.embedded.errors import StackError
from assay.embedded.services import Service
from assay.embedded.settings import StackSettings
from assay.embedded.supervisor import Supervisor

SAMPLES = Path(__file__).parents[4] / "examples" / "samples"

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run Assay in the foreground. Returns the exit status; an error is one line on standard error."""
    try:
        settings = configuration.read()
        return run_until_stopped(settings, services.services())
    except StackError as error:
        return _fail(error)


def run_until_stopped(settings: StackSettings, known: Sequence[Service]) -> int:
    """Run these services on a stack in the foreground, until a signal or a failure. Returns the exit status."""
    for number in _STOPPING:
        signal.signal(number, _interrupt)
    try:
        configuration.refuse_unknown(os.environ, known)
        return _run(settings, known)
    except StackError as error:
        return _fail(error)
    except KeyboardInterrupt:
        # Interrupted before all was ready; what ran is stopped. A download may still hang in a thread.
        say("stopped")
        os._exit(130)


def say(line: str) -> None:
    """One line of progress."""
    print(f"assay: {line}", flush=True)


def _run(settings: StackSettings, known: Sequence[Service]) -> int:
    began = time.monotonic()
    say(f"starting Kafka, S3 and PostgreSQL in {settings.home.absolute()}")
    with Supervisor(settings, services=known, say=say) as supervisor:
        token = tokens.ensure(supervisor.stack)
        say(f"ready after {time.monotonic() - began:.1f} s at {supervisor.address}")
        print(_invitation(supervisor.address, token, supervisor.stack.home.path), flush=True)
        try:
            supervisor.wait()
        except KeyboardInterrupt:
            say("stopping")
            return 0
        raise supervisor.failure or StackError("stopped")


def _fail(error: StackError) -> int:
    print(f"assay: {error}", file=sys.stderr, flush=True)
    return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    """The first signal interrupts; more of them (make passes its own on) change nothing."""
    for each in _STOPPING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _invitation(address: str, token: str, home: Path) -> str:
    """Lines that can be pasted into a new terminal in any folder."""
    assay = f"ASSAY_HOME={shlex.quote(str(home))} {shlex.quote(str(Path(sys.prefix) / 'bin' / 'assay'))}"
    picture = next(iter(sorted(SAMPLES.glob("*.jpg"))), Path("photo.jpg"))
    quoted_token = f'"Authorization: Bearer $(cat {shlex.quote(str(home / "token"))})"'
    return f"""
# the page, in a browser
{address}/#token={token}
# a file, from a terminal
{assay} submit {shlex.quote(str(picture))}
# the same with curl
curl -H {quoted_token} -F file=@{shlex.quote(str(picture))} {address}/api/v1/files

Logs are in {home / "logs"}. Ctrl-C stops everything.
"""
