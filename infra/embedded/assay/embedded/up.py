"""`assay up`: everything, until Ctrl-C."""

import os
import shlex
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from assay.embedded import configuration, services, tokens
from assay.embedded.errors import StackError
from assay.embedded.supervisor import Supervisor

SAMPLES = Path(__file__).parents[4] / "examples" / "samples"

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the stack in the foreground. Returns the exit status; an error is one line on standard error."""
    for number in _STOPPING:
        signal.signal(number, _interrupt)
    try:
        return _run()
    except StackError as error:
        print(f"assay: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        # Interrupted before all was ready; what ran is stopped. A download may still hang in a thread.
        say("stopped")
        sys.stdout.flush()
        os._exit(130)


def say(line: str) -> None:
    """One line of progress."""
    print(f"assay: {line}", flush=True)


def _run() -> int:
    began = time.monotonic()
    settings = configuration.read()
    known = services.services()
    configuration.refuse_unknown(os.environ, known)
    say(f"starting Kafka, S3 and PostgreSQL in {settings.home.absolute()}")
    with Supervisor(settings, services=known, say=say) as supervisor:
        token = tokens.ensure(supervisor.stack)
        home = supervisor.stack.home
        home.write_private(home.path / "address", supervisor.address + "\n")
        say(f"ready after {time.monotonic() - began:.1f} s at {supervisor.address}")
        print(_invitation(supervisor.address, token, home.path), flush=True)
        try:
            supervisor.wait()
        except KeyboardInterrupt:
            say("stopping")
            return 0
        raise supervisor.failure or StackError("stopped")


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
  page    {address}/#token={token}
  submit  {assay} submit {shlex.quote(str(picture))}
  curl    curl -H {quoted_token} -F file=@{shlex.quote(str(picture))} {address}/api/v1/files
  logs    {home / "logs"}

Ctrl-C stops everything.
"""
