"""What can go wrong with the stack, as one line that a person can act on."""

from pathlib import Path


class StackError(Exception):
    """The stack cannot start or go on. The text is one line: what is wrong and what to do."""


class AlreadyRunningError(StackError):
    """Another supervisor holds this home."""


class ProcessFailedError(StackError):
    """A child process ended or did not become ready in time."""

    def __init__(self, name: str, what: str, log: Path) -> None:
        last = _last_line(log)
        super().__init__(f"{name} {what}; its log is {log}" + (f" and ends with: {last}" if last else ""))
        self.name = name
        self.log = log


def _last_line(log: Path, longest: int = 200) -> str:
    """The last non-empty line of a log, shortened; empty when there is none."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip()[:longest] for line in reversed(lines) if line.strip()), "")
